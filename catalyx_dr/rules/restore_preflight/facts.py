"""What was found before a restore.

A part that is None was not looked up where the facts were gathered: a preview sees no databases, the Job does.
"""

from dataclasses import dataclass
from datetime import datetime

from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.capture_id import captured_at
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.snapshot_set import SnapshotManifest
from catalyx_dr.model.validator_spec import ValidatorSpec


@dataclass(frozen=True)
class SetFacts:
    """The chosen set; `manifest` (of dumps) or `snapshots` is None where only its record was seen.

    `fault`: why it cannot be used.
    """

    identifier: str | None
    place: str
    manifest: Manifest | None = None
    fault: str = ""
    snapshots: SnapshotManifest | None = None

    @property
    def described(self) -> Manifest | SnapshotManifest | None:
        """What tells of it, whatever it is made of."""
        return self.manifest or self.snapshots

    @property
    def taken(self) -> datetime | None:
        """When it was started."""
        if self.described is not None:
            return self.described.started
        return captured_at(self.identifier) if self.identifier else None


@dataclass(frozen=True)
class DatabaseFacts:
    """What was found at the server of one database; `present`: there is one to set aside.

    `migrations`: steps of the schema that the present database has taken (Flyway); None when that is not known.
    """

    role: DatabaseRole
    server: str
    major: int
    user: str
    may_create: bool
    present: bool
    may_rename: bool
    client_fault: str = ""
    migrations: int | None = None


@dataclass(frozen=True)
class SpaceFacts:
    """Bytes at one server (or folder): what there is, what is used, and what the restore adds."""

    place: str
    capacity: int
    used: int
    added: int


@dataclass(frozen=True)
class ServerFacts:
    """What was found at the database servers; `fault`: why one could not be asked."""

    databases: tuple[DatabaseFacts, ...] = ()
    space: tuple[SpaceFacts, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class OriginalFacts:
    """The participant that the set was taken of. `replaced_here`: it is the one that this restore stops.

    `running`: where it was seen; `unseen`: where it might be, but could not be looked for.
    """

    replaced_here: bool
    running: str = ""
    unseen: str = ""


@dataclass(frozen=True)
class UpgradeFacts:
    """Serial of the synchronizer now; None when Scan does not tell; `fault`: why Scan could not be asked."""

    serial: int | None = None
    fault: str = ""


@dataclass(frozen=True)
class RestoreFacts:
    """What was found before a restore; `dump_taken`: of the newest identity dump, of those that `dumps_known` tells.

    `hosted_by`: participant that has the party, as Scan says.
    """

    spec: ValidatorSpec
    now: datetime
    chosen: SetFacts
    in_place: bool = False
    upgrade: UpgradeFacts | None = None
    hosted_by: str | None = None
    servers: ServerFacts | None = None
    dumps_known: bool = False
    dump_taken: datetime | None = None
    original: OriginalFacts | None = None
    missing_workloads: tuple[str, ...] | None = None
    denied: tuple[str, ...] | None = None
