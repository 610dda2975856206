"""Backup sets: one ordered capture of both databases of a validator, described by its manifest."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from catalyx_dr.model.capture_id import CaptureId
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.sealed import sealed, unsealed
from catalyx_dr.model.spec import CapturedPartyHint, KubernetesName, Moment, ParticipantId, ServerVersionText, Spec

MANIFEST_NAME = "manifest.json"


class StoredFile(Spec):
    """A file of the set, relative to the set's folder, or an object, relative to the set's prefix."""

    path: str = Field(pattern=r"^[^/\x00][^\x00]*$")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class DumpRoles(Spec):
    """What a dump needs of roles. `held`: those that its user may become; `others`: those that own something beside."""

    user: str
    superuser: bool
    held: tuple[str, ...]
    others: tuple[str, ...]


class DatabaseCapture(Spec):
    """One database of the set; `ledger_offset`: ingested by the app, or end of the participant's ledger (domain 4)."""

    role: DatabaseRole
    database: str
    server_version: ServerVersionText
    client_version: str
    started: Moment
    completed: Moment
    database_bytes: int = Field(ge=0)
    ledger_offset: int | None
    row_counts: dict[str, int] = Field(description="Rows a table, `schema.table` -> count, in the dump's snapshot")
    roles: DumpRoles | None = Field(default=None, description="Absent where others made the dump")
    files: tuple[StoredFile, ...] = Field(description="The dump as it lies on the volume, in the order of its archive")
    segments: tuple[StoredFile, ...] = Field(
        default=(), description="The encrypted segments of the archive of those files, in the bucket"
    )


class Manifest(Spec):
    """The last-written file of a set; a set without one does not exist."""

    schema_version: Literal[1] = 1
    set_id: CaptureId
    validator: KubernetesName
    namespace: KubernetesName
    party_hint: CapturedPartyHint
    participant_id: ParticipantId | None = Field(
        description="PAR::identifier::namespace as the participant's database has it"
    )
    migration_id: int
    synchronizer_serial: int | None = Field(
        default=None, description="Serial of the active synchronizer at Scan; it counts logical upgrades"
    )
    databases: tuple[DatabaseCapture, DatabaseCapture]
    recipients: tuple[str, ...] = ()
    tool_version: str

    @classmethod
    def read(cls, content: bytes) -> "Manifest":
        """Read what `written` wrote; raises ValueError for anything else, also when a single character has changed."""
        return cls.model_validate(unsealed(content))

    @property
    def written(self) -> bytes:
        """The document as it is kept beside the set: sealed, since nothing else would show a change in it."""
        return sealed(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """SHA-256 of what the set is wherever it is kept: all but its segments and who can open them."""
        everywhere = self.with_segments(dict.fromkeys(DatabaseRole, ())).model_copy(update={"recipients": ()})
        return hashlib.sha256(everywhere.model_dump_json().encode()).hexdigest()

    @property
    def started(self) -> datetime:
        """When the first capture started."""
        return self.databases[0].started

    @property
    def completed(self) -> datetime:
        """When the last capture was completed."""
        return self.databases[-1].completed

    @property
    def bytes(self) -> int:
        """Bytes of the dumps as they lie on the volume."""
        return sum(file.bytes for capture in self.databases for file in capture.files)

    def with_segments(self, segments: Mapping[DatabaseRole, tuple[StoredFile, ...]]) -> "Manifest":
        """The same set, with the segments of its archives in the bucket."""
        app, participant = (
            capture.model_copy(update={"segments": segments[capture.role]}) for capture in self.databases
        )
        return self.model_copy(update={"databases": (app, participant)})

    def age(self, now: datetime) -> timedelta:
        """Time since the state that this set holds: from the start of the first capture."""
        return now - self.started

    def capture(self, role: DatabaseRole) -> DatabaseCapture:
        """Capture of the database of `role`."""
        return {capture.role: capture for capture in self.databases}[role]
