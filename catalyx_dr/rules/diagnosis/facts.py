"""Facts on which diagnoses are made: what the API of the cluster tells, and what a pod inside it saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from catalyx_dr.model.inside_facts import InsideFacts
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.schedule_facts import ScheduleFacts


class JobEnd(StrEnum):
    """Where a Job stands."""

    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class PodFacts:
    """A pod of ours or of the validator; `waiting` and `ended` are the words of Kubernetes for its container."""

    name: str
    job: str | None = None
    waiting: str = ""
    ended: str = ""
    message: str = ""
    unschedulable: str = ""
    restarts: int = 0


@dataclass(frozen=True)
class JobFacts:
    """A Job of ours; `schedule`: the CronJob that made it."""

    name: str
    created: datetime
    end: JobEnd
    schedule: str | None = None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class EventFacts:
    """A warning that Kubernetes told of an object."""

    kind: str
    name: str
    reason: str
    message: str


@dataclass(frozen=True)
class ClaimFacts:
    """The claim of the backup volume; `grows`: whether its class allows growth, None when there is no such class."""

    name: str
    phase: str
    requested: Quantity
    capacity: Quantity | None
    storage_class: str
    grows: bool | None
    waits_for_pod: bool = False
    resizing: str = ""
    deleting: bool = False


@dataclass(frozen=True)
class SecretFacts:
    """Which keys of a Secret have a value; None when there is no such Secret."""

    name: str
    keys: frozenset[str] | None


@dataclass(frozen=True)
class WorkloadFacts:
    """A workload of the validator; `stopped_by_us`: a recovery scaled it down and has not started it again."""

    name: str
    present: bool
    wanted: int = 0
    ready: int = 0
    stopped_by_us: bool = False
    node_identifier: str | None = None
    restarts: int = 0
    waiting: str = ""


@dataclass(frozen=True)
class ClusterFacts:
    """Everything known of one validator at one moment; `records` newest first; `inside` None when nobody looked.

    `damaged_records`: ConfigMaps that hold none, and what is wrong with them.
    """

    spec: ValidatorSpec
    now: datetime
    schedules: Sequence[ScheduleFacts] = ()
    jobs: Sequence[JobFacts] = ()
    pods: Sequence[PodFacts] = ()
    events: Sequence[EventFacts] = ()
    claim: ClaimFacts | None = None
    secrets: Sequence[SecretFacts] = ()
    needed_secrets: Sequence[SecretKey] = ()
    workloads: Sequence[WorkloadFacts] = ()
    records: Sequence[Record] = ()
    damaged_records: Mapping[str, str] = field(default_factory=dict)
    inside: InsideFacts | None = None
    not_looked_at: Sequence[str] = field(default=())

    def schedule(self, name: str) -> ScheduleFacts | None:
        """One CronJob."""
        return next((one for one in self.schedules if one.name == name), None)

    def of_kind(self, kind: RecordKind) -> list[Record]:
        """Records of a kind, newest first."""
        return [record for record in self.records if record.kind is kind]

    def newest(self, kind: RecordKind, status: RecordStatus) -> Record | None:
        """Newest record of a kind that ended so."""
        return next((record for record in self.of_kind(kind) if record.status is status), None)

    def active_jobs(self) -> list[JobFacts]:
        """Jobs that go on."""
        return [job for job in self.jobs if job.end is JobEnd.ACTIVE]

    def warnings(self, kind: str, name: str, *reasons: str) -> list[str]:
        """Messages that Kubernetes told of an object for one of these reasons (any, when none is given)."""
        return [
            event.message
            for event in self.events
            if (event.kind, event.name) == (kind, name) and (not reasons or event.reason in reasons)
        ]
