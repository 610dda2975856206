"""VolumeSnapshots of one validator, through the API of the snapshot controller (snapshot.storage.k8s.io/v1)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import PersistentVolumeClaim
from lightkube.types import PatchType
from pydantic import ValidationError

from catalyx_dr.adapters.cluster import Cluster, explained, gone_is_fine, if_there, labels
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.errors import MissingError, RefusedError, UnreachableError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.record import Record, RecordKind
from catalyx_dr.model.snapshot_set import SnapshotManifest, SourceClaim
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.ownership import capture_of, is_as_recorded, stranger

VolumeSnapshot = create_namespaced_resource("snapshot.storage.k8s.io", "v1", "VolumeSnapshot", "volumesnapshots")
# Place of such sets in their records.
IN_SNAPSHOTS = "snapshot"
SET_LABEL = "catalyx-dr/set"
MANIFEST_ANNOTATION = "catalyx-dr/manifest"
# The controller tries again and again; what it still says after this long will not pass by itself.
_ERROR_STANDS = timedelta(minutes=1)


@dataclass(frozen=True)
class FoundSnapshot:
    """A VolumeSnapshot as it is: `manifest` is on the last one of a set only; `error` is the controller's last one."""

    name: str
    set_id: str
    ready: bool
    taken: datetime | None
    restore_size: Quantity | None
    manifest: SnapshotManifest | None
    error: str | None


class SnapshotStore(Protocol):
    """The snapshots of one validator."""

    def source(self, claim: str) -> SourceClaim:
        """What is to be snapshotted; raises RefusedError when it cannot be."""

    def create(self, name: str, set_id: str, claim: str, snapshot_class: str) -> None:
        """Ask for a snapshot."""

    def wait_ready(self, name: str, patience: timedelta) -> FoundSnapshot:
        """Wait until it can be restored; raises UnreachableError, with the controller's words, when it cannot."""

    def publish(self, name: str, manifest: SnapshotManifest) -> None:
        """Make a set exist."""

    def found(self) -> list[FoundSnapshot]:
        """All that are there and not being deleted."""

    def delete(self, name: str) -> None:
        """Delete one; one that is gone already is no error."""


@dataclass(frozen=True)
class ClusterSnapshots:
    """Snapshots in a cluster."""

    cluster: Cluster
    validator: str

    def source(self, claim: str) -> SourceClaim:
        """Read the claim."""
        place = f"{self.cluster.namespace}/{claim}"
        with explained(f"read claim {place}"):
            found = self.cluster.client.get(PersistentVolumeClaim, claim, namespace=self.cluster.namespace)
        spec, status = found.spec, found.status
        if spec is None or status is None or status.phase != "Bound" or not spec.storageClassName:
            raise RefusedError(
                f"claim {place} is not bound to a volume of a storage class, so there is nothing to snapshot; correct "
                "the claim in the volume of databases.server"
            )
        return SourceClaim(
            storage_class=spec.storageClassName,
            access_modes=tuple(spec.accessModes or ()),
            size=Quantity.parse((status.capacity or {})["storage"]),
        )

    def create(self, name: str, set_id: str, claim: str, snapshot_class: str) -> None:
        """Ask for a snapshot."""
        metadata = ObjectMeta(
            name=name, namespace=self.cluster.namespace, labels=labels(self.validator, **{SET_LABEL: set_id})
        )
        spec = {"volumeSnapshotClassName": snapshot_class, "source": {"persistentVolumeClaimName": claim}}
        try:
            with explained(f"create VolumeSnapshot {self.cluster.namespace}/{name}"):
                self.cluster.client.create(VolumeSnapshot(metadata=metadata, spec=spec))
        except MissingError:
            raise RefusedError(
                "the cluster has no VolumeSnapshots (snapshot.storage.k8s.io/v1); install the snapshot controller with "
                "its definitions, or use backup.method dump"
            ) from None

    def wait_ready(self, name: str, patience: timedelta) -> FoundSnapshot:
        """Wait for controller and driver."""
        standing = _StandingError()
        came_true(lambda: self._is_settled(name, standing), patience)
        snapshot = self.find(name)
        if snapshot.ready and snapshot.taken is not None and snapshot.restore_size is not None:
            return snapshot
        raise UnreachableError(
            f"VolumeSnapshot {self.cluster.namespace}/{name} is not ready: {snapshot.error or 'no error is told'}; "
            "look at its events, its class and whether its driver takes snapshots"
        )

    def find(self, name: str) -> FoundSnapshot:
        """One snapshot; raises MissingError."""
        with explained(f"read VolumeSnapshot {self.cluster.namespace}/{name}"):
            return _read(self.cluster.client.get(VolumeSnapshot, name, namespace=self.cluster.namespace))

    def publish(self, name: str, manifest: SnapshotManifest) -> None:
        """Write the manifest on the last snapshot of the set."""
        note = {"metadata": {"annotations": {MANIFEST_ANNOTATION: manifest.model_dump_json()}}}
        with explained(f"publish set {manifest.set_id} on VolumeSnapshot {self.cluster.namespace}/{name}"):
            self.cluster.client.patch(
                VolumeSnapshot, name, note, namespace=self.cluster.namespace, patch_type=PatchType.MERGE
            )

    def found(self) -> list[FoundSnapshot]:
        """List those with our labels."""
        ours: dict[str, Any] = {**labels(self.validator)}
        listed = if_there(
            f"list VolumeSnapshots in {self.cluster.namespace}",
            lambda: list(self.cluster.client.list(VolumeSnapshot, namespace=self.cluster.namespace, labels=ours)),
        )
        return [_read(one) for one in listed or () if not (one.metadata and one.metadata.deletionTimestamp)]

    def delete(self, name: str) -> None:
        """Delete one."""
        with explained(f"delete VolumeSnapshot {self.cluster.namespace}/{name}"), gone_is_fine():
            self.cluster.client.delete(VolumeSnapshot, name, namespace=self.cluster.namespace)

    def _is_settled(self, name: str, standing: "_StandingError") -> bool:
        snapshot = self.find(name)
        return snapshot.ready or standing.is_final(snapshot.error)


class _StandingError:
    """Tells an error that stands from one that passes."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._since: datetime | None = None

    def is_final(self, error: str | None) -> bool:
        if error is None:
            self._since = None
            return False
        self._since = self._since or self._now()
        return self._now() - self._since >= _ERROR_STANDS


def published(snapshots: Iterable[FoundSnapshot]) -> list[SnapshotManifest]:
    """Sets that can be restored, newest first: with a manifest, and every snapshot of it there and ready."""
    found = list(snapshots)
    ready = {snapshot.name for snapshot in found if snapshot.ready}
    manifests = [snapshot.manifest for snapshot in found if snapshot.manifest is not None]
    whole = [one for one in manifests if all(snapshot.name in ready for snapshot in one.snapshots)]
    return sorted(whole, key=lambda manifest: manifest.set_id, reverse=True)


def usable(
    spec: ValidatorSpec, snapshots: Iterable[FoundSnapshot], records: Iterable[Record]
) -> list[SnapshotManifest]:
    """Own ones of them of which no record knows that they are damaged, or were another set when they were taken."""
    known = {record.identifier: record for record in records if record.kind is RecordKind.BACKUP_SET}
    return [
        manifest
        for manifest in published(snapshots)
        if not stranger(spec, manifest)
        and (
            (record := known.get(manifest.set_id)) is None
            or (IN_SNAPSHOTS not in record.damaged and is_as_recorded(manifest, record))
        )
    ]


def captures(spec: ValidatorSpec, snapshots: Iterable[FoundSnapshot], records: Iterable[Record]) -> list[Capture]:
    """Every set that has a manifest, for a choice or for retention."""
    found = list(snapshots)
    proven = usable(spec, found, records)
    manifests = {one.manifest.set_id: one.manifest for one in found if one.manifest is not None}
    return [capture_of(one, stranger(spec, one), proven=one in proven) for one in manifests.values()]


def _read(snapshot: Any) -> FoundSnapshot:
    metadata, status = snapshot.metadata, snapshot.status or {}
    taken, size = status.get("creationTime"), status.get("restoreSize")
    return FoundSnapshot(
        name=metadata.name,
        set_id=(metadata.labels or {}).get(SET_LABEL, ""),
        ready=bool(status.get("readyToUse")),
        taken=datetime.fromisoformat(taken) if taken else None,
        restore_size=Quantity.parse(size) if size else None,
        manifest=_manifest((metadata.annotations or {}).get(MANIFEST_ANNOTATION)),
        error=(status.get("error") or {}).get("message"),
    )


def _manifest(text: str | None) -> SnapshotManifest | None:
    """What is no manifest of ours makes no set."""
    try:
        return SnapshotManifest.model_validate_json(text) if text else None
    except ValidationError:
        return None
