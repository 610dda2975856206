"""Whether every recorded set of VolumeSnapshots can be restored and is as it was recorded; their bytes are not read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from catalyx_dr.adapters.volume_snapshots import (
    IN_SNAPSHOTS,
    MANIFEST_ANNOTATION,
    FoundSnapshot,
    SnapshotStore,
)
from catalyx_dr.model.flaw import Flaw, Grade
from catalyx_dr.model.record import Record
from catalyx_dr.rules.ownership import is_as_recorded

# What only a drill can find: nothing that is looked at here takes it back.
NOT_RESTORED = "a drill could not restore it"


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
                yield from _set(record, found)


def _set(record: Record, found: Mapping[str, FoundSnapshot]) -> Iterator[Flaw]:
    set_id = record.identifier
    mine = [one for one in found.values() if one.set_id == set_id]
    manifest = next((one.manifest for one in mine if one.manifest is not None), None)
    if not mine:
        yield Flaw(Grade.LOST, IN_SNAPSHOTS, set_id, "its record names VolumeSnapshots, and none of them is there")
    elif manifest is None:
        yield Flaw(
            Grade.DAMAGED,
            IN_SNAPSHOTS,
            set_id,
            f"none of its VolumeSnapshots has its manifest any more (annotation {MANIFEST_ANNOTATION})",
        )
    elif not is_as_recorded(manifest, record):
        yield Flaw(
            Grade.DAMAGED,
            IN_SNAPSHOTS,
            set_id,
            f"its manifest (annotation {MANIFEST_ANNOTATION}) was changed since it was recorded",
        )
    drilled = record.damaged.get(IN_SNAPSHOTS, "")
    if drilled.startswith(NOT_RESTORED):
        yield Flaw(Grade.DAMAGED, IN_SNAPSHOTS, set_id, drilled)
    for part in manifest.snapshots if manifest else ():
        there = found.get(part.name)
        if there is None:
            yield Flaw(Grade.LOST, IN_SNAPSHOTS, set_id, f"VolumeSnapshot {part.name} is not there")
        elif not there.ready:
            reason = there.error or "no error is told"
            yield Flaw(Grade.UNREAD, IN_SNAPSHOTS, set_id, f"VolumeSnapshot {part.name} is not ready: {reason}")
