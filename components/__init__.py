"""Pulumi components: what a stack declares for each validator."""
