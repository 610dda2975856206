"""Fixtures of the engine's tests, for what is compared with a real API server."""

from tests.engine.conftest import client, kubeconfig, namespace

__all__ = ["client", "kubeconfig", "namespace"]
