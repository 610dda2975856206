"""The validator app's Deployment: read as it is, changed in single places, its restarts counted."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
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


def restarts(cluster: Cluster, name: str) -> int:
    """How often containers of the Deployment's present pods were started again."""
    selector = read(cluster, name)["spec"]["selector"].get("matchLabels", {})
    with explained(f"list pods of Deployment {cluster.namespace}/{name}"):
        pods = list(cluster.client.list(Pod, namespace=cluster.namespace, labels=dict(selector)))
    return sum(
        container.restartCount
        for pod in pods
        for container in (pod.status.containerStatuses if pod.status else None) or []
    )
