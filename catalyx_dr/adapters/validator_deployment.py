"""The validator app's Deployment: read as it is, changed in single places."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightkube.resources.apps_v1 import Deployment
from lightkube.types import PatchType

from catalyx_dr.adapters.cluster import Cluster, explained


def read(cluster: Cluster, name: str) -> Mapping[str, Any]:
    """The Deployment as a plain document; raises MissingError."""
    with explained(f"read Deployment {cluster.namespace}/{name}"):
        return cluster.client.get(Deployment, name, namespace=cluster.namespace).to_dict()


def change(cluster: Cluster, name: str, operations: Sequence[Mapping[str, Any]]) -> None:
    """Apply a JSON Patch, so that nothing else is touched; no operations are no request."""
    if not operations:
        return
    with explained(f"change Deployment {cluster.namespace}/{name}"):
        cluster.client.patch(Deployment, name, list(operations), namespace=cluster.namespace, patch_type=PatchType.JSON)
