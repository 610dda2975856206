"""Fixtures of tests that look at the real API server with the rights that a job really has."""

from tests.engine.conftest import client, kubeconfig, namespace

__all__ = ["client", "kubeconfig", "namespace"]
