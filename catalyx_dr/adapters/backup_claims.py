"""Claims of backup volumes as they are in the cluster, and their growth."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import PersistentVolumeClaim

from catalyx_dr.adapters.cluster import FIELD_MANAGER, MANAGED_BY, Cluster, explained, if_there
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.errors import RefusedError, UnreachableError
from catalyx_dr.model.quantity import Quantity

Place = tuple[str, str]
# What a resizer writes when it gave up, and the kubelet too (Kubernetes 1.32 and later).
_HOPELESS = ("ControllerResizeInfeasible", "NodeResizeInfeasible")
_PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True)
class ClaimSize:
    """What a claim asks for, and what its file system has: less while a growth is under way."""

    requested: Quantity
    capacity: Quantity


class BackupClaim(Protocol):
    """The claim of one validator's backup volume."""

    def size(self) -> ClaimSize:
        """How large it is."""

    def grow(self, size: Quantity) -> None:
        """Ask for more; raises RefusedError when that is not to be had."""

    def wait_grown(self, size: Quantity) -> None:
        """Wait until the file system has this size; raises UnreachableError when it does not get it."""


@dataclass(frozen=True)
class ClusterClaim:
    """A claim in a cluster; needs no more than to get and patch this one claim."""

    cluster: Cluster
    name: str
    patience: timedelta = _PATIENCE

    def size(self) -> ClaimSize:
        """Read the claim."""
        claim = self._read()
        requested = _size(claim)
        if requested is None:
            raise RefusedError(f"claim {self} asks for no storage; correct its spec.resources.requests")
        return ClaimSize(requested, _capacity(claim))

    def grow(self, size: Quantity) -> None:
        """Ask for more."""
        wish = {"spec": {"resources": {"requests": {"storage": str(size)}}}}
        with explained(f"let claim {self} grow to {size}"), _growth_explained(str(self), size):
            self.cluster.client.patch(PersistentVolumeClaim, self.name, wish, namespace=self.cluster.namespace)

    def wait_grown(self, size: Quantity) -> None:
        """Wait for resizer and kubelet."""

        def ended() -> bool:
            claim = self._read()
            return _capacity(claim) >= size or _gave_up(claim)

        came_true(ended, self.patience)
        claim = self._read()
        if _capacity(claim) < size:
            raise UnreachableError(
                f"claim {self} asks for {size} and has {_capacity(claim)}: {_conditions(claim)}; look at its events"
            )

    def _read(self) -> PersistentVolumeClaim:
        with explained(f"read claim {self}"):
            return self.cluster.client.get(PersistentVolumeClaim, self.name, namespace=self.cluster.namespace)

    def __str__(self) -> str:
        return f"{self.cluster.namespace}/{self.name}"


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
    return if_there(
        f"read claim {namespace}/{name}",
        lambda: cluster.client.get(PersistentVolumeClaim, name, namespace=namespace),
    )


def _place(claim: PersistentVolumeClaim) -> Place:
    metadata = claim.metadata
    return (metadata.namespace or "", metadata.name or "") if metadata else ("", "")


def _size(claim: PersistentVolumeClaim) -> Quantity | None:
    requests = (claim.spec.resources.requests if claim.spec and claim.spec.resources else None) or {}
    return Quantity.parse(requests["storage"]) if "storage" in requests else None


def _capacity(claim: PersistentVolumeClaim) -> Quantity:
    capacity = (claim.status.capacity if claim.status else None) or {}
    return Quantity.parse(capacity.get("storage", "0"))


def _gave_up(claim: PersistentVolumeClaim) -> bool:
    statuses = (claim.status.allocatedResourceStatuses if claim.status else None) or {}
    return statuses.get("storage") in _HOPELESS


def _conditions(claim: PersistentVolumeClaim) -> str:
    found = (claim.status.conditions if claim.status else None) or []
    return (
        ", ".join(f"{one.type} ({one.message or one.reason or 'no reason'})" for one in found) or "nothing works on it"
    )


@contextmanager
def _growth_explained(claim: str, size: Quantity) -> Iterator[None]:
    """Tell the two refusals apart that the API server words as if a right were missing."""
    try:
        yield
    except ApiError as error:
        message = error.status.message or ""
        if "must support resize" in message:
            raise RefusedError(
                f"claim {claim} cannot grow to {size}: its storage class has no allowVolumeExpansion: true, or nobody "
                "provisions it dynamically; set it on the class when its driver can grow volumes"
            ) from None
        if "exceeded quota" in message:
            quota = message[message.index("exceeded quota") :]
            raise RefusedError(f"claim {claim} may not grow to {size}: {quota}; raise the ResourceQuota") from None
        raise
