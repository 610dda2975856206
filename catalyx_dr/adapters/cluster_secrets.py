"""Secrets read through the API, with the rights of a person: what a preview needs to look into a store."""

from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path

from lightkube.resources.core_v1 import Secret

from catalyx_dr.adapters.cluster import Cluster, explained
from catalyx_dr.model.errors import RefusedError


@dataclass(frozen=True)
class ClusterSecrets:
    """Secrets of the cluster's namespace."""

    cluster: Cluster

    def read(self, secret: str, key: str) -> str:
        """Value of one key without a final newline; raises RefusedError that names Secret and key, never a value."""
        with explained(f"read Secret {self.cluster.namespace}/{secret}"):
            found = self.cluster.client.get(Secret, secret, namespace=self.cluster.namespace)
        if not found.data or key not in found.data:
            raise RefusedError(f"Secret {self.cluster.namespace}/{secret} has no key {key!r}")
        return b64decode(found.data[key]).decode().rstrip("\n")

    def path(self, secret: str, key: str) -> Path:
        """No file: nothing is mounted here, and no Secret is written to a disk."""
        return Path("/nonexistent") / secret / key
