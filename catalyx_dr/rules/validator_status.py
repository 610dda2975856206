"""How a validator stands: its newest proven captures against what was promised, what runs, what failed."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.run_schedule import CaptureSchedule, RunSchedule
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.recovery_points import missed_points
from catalyx_dr.rules.schedule_facts import ScheduleFacts

_FAILURES_SHOWN = 3
# Below this a guess from the elapsed time is worth nothing.
_TELLING_PERCENT = 10


@dataclass(frozen=True)
class HalfStatus:
    """One of the two halves of a recovery; `promised` is its recovery point.

    `missed`: nothing proven is young enough, although there was time enough for the run that is due.
    """

    kind: RecordKind
    newest: Record | None
    age: timedelta | None
    promised: timedelta | None
    missed: bool
    schedule: ScheduleFacts | None
    next_runs: tuple[datetime, ...]


@dataclass(frozen=True)
class ProofStatus:
    """A verification or a drill: how the newest ended, and when the next will be."""

    kind: RecordKind
    newest: Record | None
    schedule: ScheduleFacts | None
    next_runs: tuple[datetime, ...]


@dataclass(frozen=True)
class RunningStatus:
    """An operation that goes on; `expected_end` by its share done, else by the run before; None when nobody knows.

    `overdue`: it goes on beyond the deadline that ends its Job, so it was killed without a word.
    """

    record: Record
    so_far: timedelta
    expected_end: datetime | None
    overdue: bool


@dataclass(frozen=True)
class FailureStatus:
    """A run that failed; `mended`: one of its kind succeeded since."""

    record: Record
    ago: timedelta
    mended: bool


@dataclass(frozen=True)
class ValidatorStatus:
    """A whole validator at one moment."""

    validator: str
    namespace: str
    now: datetime
    halves: tuple[HalfStatus, ...]
    proofs: tuple[ProofStatus, ...]
    running: tuple[RunningStatus, ...]
    failures: tuple[FailureStatus, ...]
    damaged_records: tuple[str, ...] = ()

    @property
    def missed(self) -> bool:
        """Tell whether a promised recovery point is missed."""
        return any(half.missed for half in self.halves)


def status_of(
    spec: ValidatorSpec,
    schedules: Iterable[ScheduleFacts],
    records: Sequence[Record],
    now: datetime,
    damaged_records: Iterable[str] = (),
) -> ValidatorStatus:
    """Status from the CronJobs and the records (newest first) of the validator's namespace.

    `damaged_records`: what is wrong with those that cannot be read.
    """
    found = {schedule.name: schedule for schedule in schedules}
    mine = [record for record in records if record.validator == spec.name]
    missed = {point.kind for point in missed_points(spec, mine, now)}
    declared = (
        (RecordKind.BACKUP_SET, spec.backup, ObjectNames.of(spec).backup),
        (RecordKind.IDENTITY_DUMP, spec.identity_dump, ObjectNames.of(spec).identity_dump),
    )
    return ValidatorStatus(
        validator=spec.name,
        namespace=spec.namespace,
        now=now,
        halves=tuple(_half(kind, capture, found.get(name), mine, missed, now) for kind, capture, name in declared),
        proofs=tuple(_proofs(spec, found, mine, now)),
        running=tuple(
            _running(record, mine, _deadline(spec, record.kind), now)
            for record in mine
            if record.status is RecordStatus.RUNNING
        ),
        failures=_failures(mine, now),
        damaged_records=tuple(damaged_records),
    )


def newest_proven(records: Sequence[Record], kind: RecordKind) -> Record | None:
    """Newest proven capture of a kind that is still sound somewhere; `records` newest first."""
    sound = (one for one in records if one.kind is kind and any(map(one.is_sound_in, one.locations)))
    return next(sound, None)


def participant_of(record: Record) -> str | None:
    """Participant id that the record of a capture or recovery tells; None for what is none."""
    metadata = record.details.get("metadata")
    found = metadata.get("participantId") if isinstance(metadata, dict) else record.details.get("participantId")
    return found if isinstance(found, str) and found.count("::") == 2 else None


def _half(
    kind: RecordKind,
    declared: CaptureSchedule | None,
    schedule: ScheduleFacts | None,
    records: Sequence[Record],
    missed: Collection[RecordKind],
    now: datetime,
) -> HalfStatus:
    newest = newest_proven(records, kind)
    promised = declared.recovery_point if declared else None
    # A schedule that never recorded anything is silent in a way that its records cannot tell.
    silent = newest is None and promised is not None and (schedule is None or now - schedule.created > promised)
    return HalfStatus(
        kind=kind,
        newest=newest,
        age=now - newest.started if newest else None,
        promised=promised,
        missed=silent or kind in missed,
        schedule=schedule,
        next_runs=schedule.next_runs(now) if schedule else (),
    )


def _proofs(
    spec: ValidatorSpec, schedules: Mapping[str, ScheduleFacts], records: Sequence[Record], now: datetime
) -> Iterator[ProofStatus]:
    names = ObjectNames.of(spec)
    for kind, declared, name in (
        (RecordKind.VERIFICATION, spec.verification, names.verification),
        (RecordKind.DRILL, spec.drill, names.drill),
    ):
        if declared is not None:
            ended = (one for one in records if one.kind is kind and one.status is not RecordStatus.RUNNING)
            schedule = schedules.get(name)
            yield ProofStatus(kind, next(ended, None), schedule, schedule.next_runs(now) if schedule else ())


def _deadline(spec: ValidatorSpec, kind: RecordKind) -> timedelta | None:
    declared: dict[RecordKind, RunSchedule | None] = {
        RecordKind.BACKUP_SET: spec.backup,
        RecordKind.IDENTITY_DUMP: spec.identity_dump,
        RecordKind.VERIFICATION: spec.verification,
        RecordKind.DRILL: spec.drill,
    }
    capture = declared.get(kind)
    return capture.deadline if capture else None


def _running(record: Record, records: Sequence[Record], deadline: timedelta | None, now: datetime) -> RunningStatus:
    so_far = now - record.started
    return RunningStatus(
        record=record,
        so_far=so_far,
        expected_end=_expected_end(record, records, now),
        overdue=deadline is not None and so_far > deadline,
    )


def _expected_end(record: Record, records: Sequence[Record], now: datetime) -> datetime | None:
    before = next((one for one in records if one.kind is record.kind and one.status is RecordStatus.COMPLETED), None)
    if before is not None and before.took is not None and record.started + before.took > now:
        return record.started + before.took
    if record.percent >= _TELLING_PERCENT:
        return record.started + (now - record.started) * 100 / record.percent
    return None


def _failures(records: Sequence[Record], now: datetime) -> tuple[FailureStatus, ...]:
    failed = [record for record in records if record.status is RecordStatus.FAILED][:_FAILURES_SHOWN]
    return tuple(
        FailureStatus(
            record,
            now - record.started,
            any(
                one.kind is record.kind and one.status is RecordStatus.COMPLETED and one.started > record.started
                for one in records
            ),
        )
        for record in failed
    )
