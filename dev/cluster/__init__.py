"""A real Kubernetes cluster on this machine, from package registries alone."""

from dev.cluster.lifecycle import down, is_up, kubeconfig_path, status, up

__all__ = ["down", "is_up", "kubeconfig_path", "status", "up"]
