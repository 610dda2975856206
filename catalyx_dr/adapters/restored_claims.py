"""Claims made from snapshots, beside those that are in use: made and removed, or only asked for."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from lightkube.core.exceptions import ApiError
from lightkube.models.core_v1 import (
    PersistentVolumeClaimSpec,
    TypedLocalObjectReference,
    VolumeResourceRequirements,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import PersistentVolumeClaim
from lightkube.resources.storage_v1 import StorageClass

from catalyx_dr.adapters.cluster import Cluster, explained, gone_is_fine, if_there, labels
from catalyx_dr.adapters.dry_run import refusal
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.errors import UnreachableError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.snapshot_set import SnapshotCapture

_API_GROUP = "snapshot.storage.k8s.io"


def make_claim(cluster: Cluster, validator: str, name: str, snapshot: SnapshotCapture, patience: timedelta) -> None:
    """Ask for a claim with the content of a snapshot, as its source was; one that is there already is kept.

    One that is being deleted, by a run that was cut off, is waited for and made again.
    """
    found = _find(cluster, name)
    if found is not None and found.metadata is not None and found.metadata.deletionTimestamp:
        wait_until_gone(cluster, name, patience)
    with explained(f"create claim {cluster.namespace}/{name} from VolumeSnapshot {snapshot.name}"):
        try:
            cluster.client.create(_claim(cluster, validator, name, snapshot, snapshot.claim_size))
        except ApiError as error:
            if error.status.code != 409:
                raise


def remove_claim(cluster: Cluster, name: str) -> None:
    """Delete a claim that a restore made; one that is gone already is no error."""
    with explained(f"delete claim {cluster.namespace}/{name}"), gone_is_fine():
        cluster.client.delete(PersistentVolumeClaim, name, namespace=cluster.namespace)


def wait_until_gone(cluster: Cluster, name: str, patience: timedelta) -> None:
    """Wait until a deleted claim is not there any more; raises UnreachableError."""
    if not came_true(lambda: _find(cluster, name) is None, patience):
        raise UnreachableError(f"claim {cluster.namespace}/{name} does not go; look at what pods use it")


def refused_claims(cluster: Cluster, validator: str, wanted: Mapping[str, SnapshotCapture]) -> str:
    """Why the API server would refuse these claims, one by one or together; nothing when it would take them.

    Raises RefusedError when this identity may create no claims.
    """
    for name, snapshot in wanted.items():
        refused = refusal(cluster, _claim(cluster, validator, name, snapshot, snapshot.claim_size))
        if refused:
            return refused
    if len(wanted) < 2:
        return ""
    name, snapshot = next(iter(wanted.items()))
    size = Quantity(sum(one.claim_size.bytes for one in wanted.values()))
    together = refusal(cluster, _claim(cluster, validator, name, snapshot, size))
    # One claim as large as all may be more than a single claim may have, which says nothing.
    return together if "exceeded quota" in together else ""


def missing_classes(cluster: Cluster, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the storage classes that are not there; raises RefusedError where this identity may not look."""
    return tuple(name for name in sorted(set(names)) if not _is_class(cluster, name))


def _is_class(cluster: Cluster, name: str) -> bool:
    return if_there(f"read StorageClass {name}", lambda: cluster.client.get(StorageClass, name)) is not None


def _find(cluster: Cluster, name: str) -> PersistentVolumeClaim | None:
    return if_there(
        f"read claim {cluster.namespace}/{name}",
        lambda: cluster.client.get(PersistentVolumeClaim, name, namespace=cluster.namespace),
    )


def _claim(
    cluster: Cluster, validator: str, name: str, snapshot: SnapshotCapture, size: Quantity
) -> PersistentVolumeClaim:
    source = snapshot.source
    return PersistentVolumeClaim(
        metadata=ObjectMeta(name=name, namespace=cluster.namespace, labels=labels(validator)),
        spec=PersistentVolumeClaimSpec(
            accessModes=list(source.access_modes),
            storageClassName=source.storage_class,
            resources=VolumeResourceRequirements(requests={"storage": str(size)}),
            dataSource=TypedLocalObjectReference(apiGroup=_API_GROUP, kind="VolumeSnapshot", name=snapshot.name),
        ),
    )
