"""How the program and its dynamic providers reach the cluster: as the stack's Kubernetes provider does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from catalyx_dr.adapters.cluster import Cluster, connect


@dataclass(frozen=True)
class ClusterAccess:
    """Configuration keys `kubernetes:kubeconfig` (content or path) and `kubernetes:context`; else KUBECONFIG."""

    kubeconfig: str | None = None
    context: str | None = None

    @classmethod
    def configured(cls, read: Callable[[str], Any]) -> "ClusterAccess":
        """Read the keys with `read`, which returns None for an absent one."""
        return cls(read("kubernetes:kubeconfig") or None, read("kubernetes:context") or None)

    def connect(self, namespace: str) -> Cluster:
        """Bind to one namespace; makes no request. Raises RefusedError without a usable configuration."""
        return connect(namespace, self.kubeconfig, self.context)
