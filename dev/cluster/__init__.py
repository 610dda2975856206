"""A real Kubernetes cluster on this machine, from package registries alone."""

from dev.cluster.lifecycle import down, external_kubeconfig, is_up, kubeconfig_path, status, up, without_api_server

__all__ = ["down", "external_kubeconfig", "is_up", "kubeconfig_path", "status", "up", "without_api_server"]
