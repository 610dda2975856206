"""Records: what happened, kept as small labelled ConfigMaps so that history needs no mounted volume."""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import ConfigDict, Field, JsonValue

from catalyx_dr.model.spec import Moment, Spec

# Detail of a record that was made from a manifest, because the run's own record was lost with its namespace.
REBUILT = "rebuilt"

# Detail of a restore or drill: id of the set that it reads.
READ_SET = "set"

# Detail of a running record: how many bytes its present phase is expected to handle.
EXPECTED_BYTES = "expectedBytes"


class RecordKind(StrEnum):
    """What a record tells of."""

    BACKUP_SET = "backup-set"
    IDENTITY_DUMP = "identity-dump"
    RESTORE = "restore"
    IDENTITY_IMPORT = "identity-import"
    VERIFICATION = "verification"
    DRILL = "drill"
    ROLLBACK = "rollback"


class RecordStatus(StrEnum):
    """Where a run stands; only Completed means proven."""

    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"


class Record(Spec):
    """One run of one operation. `identifier`: set or dump id, or the request id of a recovery."""

    # A record outlives versions: what a later agent adds must not keep an earlier command line from a recovery.
    model_config = ConfigDict(extra="ignore")

    kind: RecordKind
    identifier: str
    validator: str
    status: RecordStatus
    phase: str = Field(description="What is being done, or was being done when it failed")
    percent: int = Field(default=0, ge=0, le=100)
    started: Moment
    finished: Moment | None = None
    bytes: int = 0
    locations: tuple[str, ...] = Field(
        default=(), description="volume, bucket, snapshot, cluster: where a capture still is"
    )
    damaged: dict[str, str] = Field(
        default_factory=dict,
        description="Where a capture was found damaged or gone, and how; it counts for nothing there",
    )
    message: str = ""
    details: dict[str, JsonValue] = Field(default_factory=dict)

    def is_sound_in(self, place: str) -> bool:
        """Tell whether the capture was proven, is still at `place`, and was not found damaged there."""
        return self.status is RecordStatus.COMPLETED and place in self.locations and place not in self.damaged

    def killed(self, now: datetime, cleaner: str) -> "Record":
        """The record of a run that was killed, as `cleaner` (which run) closes it."""
        return self.model_copy(
            update={
                "status": RecordStatus.FAILED,
                "finished": now,
                "message": f"the run ended without a word: killed, or its node was lost; {cleaner} cleaned up",
            }
        )

    def without(self, place: str) -> "Record":
        """The record of a capture that was removed from `place`."""
        left = tuple(name for name in self.locations if name != place)
        damaged = {name: how for name, how in self.damaged.items() if name != place}
        return self.model_copy(update={"locations": left, "damaged": damaged})

    @property
    def object_name(self) -> str:
        """Name of the ConfigMap: deterministic, so that a repeated run finds it."""
        return object_name(self.kind, self.validator, self.identifier)

    @property
    def took(self) -> timedelta | None:
        """How long the run took, when it is finished."""
        return self.finished - self.started if self.finished else None


def object_name(kind: RecordKind, validator: str, identifier: str) -> str:
    """Name of the ConfigMap that keeps the record of one run."""
    return f"catalyx-dr-{kind}-{validator}-{identifier}"
