"""Records: what happened, kept as small labelled ConfigMaps so that history needs no mounted volume."""

from datetime import timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field, JsonValue

from catalyx_dr.model.spec import Spec


class RecordKind(StrEnum):
    """What a record tells of."""

    BACKUP_SET = "backup-set"
    IDENTITY_DUMP = "identity-dump"
    RESTORE = "restore"
    IDENTITY_IMPORT = "identity-import"


class RecordStatus(StrEnum):
    """Where a run stands; only Completed means proven."""

    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"


class Record(Spec):
    """One run of one operation. `identifier`: set or dump id, or the request id of a recovery."""

    kind: RecordKind
    identifier: str
    validator: str
    status: RecordStatus
    phase: str = Field(description="What is being done, or was being done when it failed")
    percent: int = Field(default=0, ge=0, le=100)
    started: AwareDatetime
    finished: AwareDatetime | None = None
    bytes: int = 0
    locations: tuple[str, ...] = Field(default=(), description="volume, bucket, cluster: where a capture still is")
    message: str = ""
    details: dict[str, JsonValue] = Field(default_factory=dict)

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
