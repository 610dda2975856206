"""Whether the VolumeSnapshots of every recorded set are still there and can be restored; their bytes are not read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from catalyx_dr.adapters.volume_snapshots import FoundSnapshot, SnapshotStore
from catalyx_dr.model.flaw import Flaw, Grade
from catalyx_dr.model.record import Record
from catalyx_dr.operations.snapshot_backup import IN_SNAPSHOTS


@dataclass(frozen=True)
class SnapshotCheck:
    """Sets of one validator; `records`: of completed sets, by id."""

    store: SnapshotStore
    records: Mapping[str, Record]

    def flaws(self, looked_at: set[str]) -> Iterator[Flaw]:
        """Look at every recorded set, newest first; ids that were looked at go into `looked_at`."""
        found = {one.name: one for one in self.store.found()}
        for set_id, record in sorted(self.records.items(), reverse=True):
            if IN_SNAPSHOTS in record.locations:
                looked_at.add(set_id)
                yield from _set(set_id, found)


def _set(set_id: str, found: Mapping[str, FoundSnapshot]) -> Iterator[Flaw]:
    manifests = [one.manifest for one in found.values() if one.set_id == set_id and one.manifest is not None]
    if not manifests:
        yield Flaw(Grade.LOST, IN_SNAPSHOTS, set_id, "its record names VolumeSnapshots, and they make no set any more")
        return
    for part in manifests[0].snapshots:
        there = found.get(part.name)
        if there is None:
            yield Flaw(Grade.LOST, IN_SNAPSHOTS, set_id, f"VolumeSnapshot {part.name} is not there")
        elif not there.ready:
            reason = there.error or "no error is told"
            yield Flaw(Grade.UNREAD, IN_SNAPSHOTS, set_id, f"VolumeSnapshot {part.name} is not ready: {reason}")
