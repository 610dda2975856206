"""Fixtures of the engine's tests, for providers in the real engine with the real API server."""

from tests.engine.conftest import client, kubeconfig, namespace, new_project

__all__ = ["client", "kubeconfig", "namespace", "new_project"]
