"""Claims of backup volumes as they are in the cluster."""

from collections.abc import Iterable, Mapping

from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import PersistentVolumeClaim

from catalyx_dr.adapters.cluster import FIELD_MANAGER, MANAGED_BY, Cluster, explained
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.quantity import Quantity

Place = tuple[str, str]


def requested_sizes(cluster: Cluster, claims: Iterable[Place]) -> Mapping[Place, Quantity]:
    """Sizes that these claims (namespace, name) ask for, whoever grew them; those that are not there are left out.

    One request where all namespaces may be listed, else one a claim.
    """
    wanted = set(claims)
    try:
        found = _everywhere(cluster)
    except RefusedError:
        found = [claim for place in wanted if (claim := _one(cluster, place)) is not None]
    sizes = {_place(claim): _size(claim) for claim in found}
    return {place: size for place, size in sizes.items() if place in wanted and size is not None}


def _everywhere(cluster: Cluster) -> list[PersistentVolumeClaim]:
    with explained("list claims in all namespaces"):
        return list(cluster.client.list(PersistentVolumeClaim, namespace="*", labels={MANAGED_BY: FIELD_MANAGER}))


def _one(cluster: Cluster, place: Place) -> PersistentVolumeClaim | None:
    namespace, name = place
    with explained(f"read claim {namespace}/{name}"):
        try:
            return cluster.client.get(PersistentVolumeClaim, name, namespace=namespace)
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise


def _place(claim: PersistentVolumeClaim) -> Place:
    metadata = claim.metadata
    return (metadata.namespace or "", metadata.name or "") if metadata else ("", "")


def _size(claim: PersistentVolumeClaim) -> Quantity | None:
    requests = (claim.spec.resources.requests if claim.spec and claim.spec.resources else None) or {}
    return Quantity.parse(requests["storage"]) if "storage" in requests else None
