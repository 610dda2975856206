"""Backup and disaster recovery of Canton Network validators on Kubernetes."""
