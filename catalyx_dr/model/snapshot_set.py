"""Backup sets that are CSI snapshots: which there are, in which order they were taken, and what they must hold."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from catalyx_dr.model.capture_id import CaptureId
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.spec import CapturedPartyHint, KubernetesName, Moment, ParticipantId, ServerVersionText, Spec


@dataclass(frozen=True)
class SwitchMarks:
    """Details of a restore's record: what a switch of claims does, from before it begins, and that it was done."""

    planned: str
    done: str


SWITCH = SwitchMarks("switch", "switched")
SWITCH_BACK = SwitchMarks("switchBack", "switchedBack")


def part_of(roles: tuple[DatabaseRole, ...]) -> str:
    """Name of what a snapshot holds: both databases, or the one."""
    return "databases" if len(roles) > 1 else str(roles[0])


class SourceClaim(Spec):
    """What a claim was when its snapshot was taken; a restore makes another one like it."""

    storage_class: str
    access_modes: tuple[str, ...]
    size: Quantity


class SnapshotCapture(Spec):
    """One VolumeSnapshot. `asked`: before it was created; `taken`: by the driver; `ready`: when it was seen as such."""

    name: str
    claim: str
    stateful_set: str
    roles: tuple[DatabaseRole, ...] = Field(min_length=1)
    asked: Moment
    taken: Moment
    ready: Moment
    restore_size: Quantity
    source: SourceClaim

    @property
    def part(self) -> str:
        """What it holds, for names of objects."""
        return part_of(self.roles)

    @property
    def claim_size(self) -> Quantity:
        """Size of a claim that can hold it: a driver refuses less than the restore size, and none should be smaller."""
        return max(self.restore_size, self.source.size)


class DatabaseState(Spec):
    """What was read from a live database around its snapshot: the app's after, so that the snapshot holds no more;
    the participant's before, so that the snapshot holds no less. One snapshot of both: both before.
    """

    role: DatabaseRole
    database: str
    server_version: ServerVersionText
    database_bytes: int = Field(ge=0)
    ledger_offset: int | None
    filled_tables: tuple[str, ...] = Field(description="Tables of 1000 rows or more, before the snapshot and after it")


class SnapshotManifest(Spec):
    """What makes VolumeSnapshots a set; kept on the last of them, so that a set without it does not exist."""

    schema_version: Literal[1] = 1
    set_id: CaptureId
    validator: KubernetesName
    namespace: KubernetesName
    party_hint: CapturedPartyHint
    participant_id: ParticipantId | None
    migration_id: int
    synchronizer_serial: int | None = Field(default=None, description="What Scan said; None when it did not tell")
    databases: tuple[DatabaseState, DatabaseState]
    snapshots: tuple[SnapshotCapture, ...] = Field(min_length=1, max_length=2)
    tool_version: str

    @property
    def digest(self) -> str:
        """SHA-256 of all that it says; the set's record keeps it, so that a change of the annotation is noticed."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def started(self) -> datetime:
        """When the first snapshot was asked for."""
        return self.snapshots[0].asked

    @property
    def bytes(self) -> int:
        """Bytes of the volumes that a restore makes."""
        return sum(snapshot.claim_size.bytes for snapshot in self.snapshots)

    def age(self, now: datetime) -> timedelta:
        """Time since the state that this set holds."""
        return now - self.started

    def state(self, role: DatabaseRole) -> DatabaseState:
        """State of the database of `role`."""
        return {state.role: state for state in self.databases}[role]

    def snapshot_of(self, role: DatabaseRole) -> SnapshotCapture:
        """Snapshot that holds the database of `role`."""
        return next(snapshot for snapshot in self.snapshots if role in snapshot.roles)
