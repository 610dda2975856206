"""Fixtures of the engine's tests, for adapters that need a real API server."""

from tests.engine.conftest import client, kubeconfig, namespace

__all__ = ["client", "kubeconfig", "namespace"]
