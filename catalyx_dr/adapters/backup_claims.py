"""Claims of backup volumes as they are in the cluster."""

from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import PersistentVolumeClaim

from catalyx_dr.adapters.cluster import Cluster, explained
from catalyx_dr.model.quantity import Quantity


def requested_size(cluster: Cluster, name: str) -> Quantity | None:
    """Size that the claim asks for, whoever grew it; None when there is no such claim."""
    with explained(f"read claim {cluster.namespace}/{name}"):
        try:
            claim = cluster.client.get(PersistentVolumeClaim, name, namespace=cluster.namespace)
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise
    requests = (claim.spec.resources.requests if claim.spec and claim.spec.resources else None) or {}
    return Quantity.parse(requests["storage"]) if "storage" in requests else None
