"""Backup and disaster recovery of Canton Network validators on Kubernetes."""

__version__ = "0.1.0"
