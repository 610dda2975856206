"""Whether the newest sound capture is as young as its schedule promises (promise of this project: silence alarms)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalyx_dr.model.capture_id import captured_at, is_capture_id
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.run_schedule import CaptureSchedule
from catalyx_dr.model.validator_spec import ValidatorSpec

# A run starts some time after its minute: pod, image, queue.
_START = timedelta(minutes=15)


@dataclass(frozen=True)
class MissedPoint:
    """A promise that is broken now: of backups or of identity dumps."""

    kind: RecordKind
    text: str


def missed_points(spec: ValidatorSpec, records: Iterable[Record], now: datetime) -> tuple[MissedPoint, ...]:
    """Promises of `spec` that its records show to be broken at `now`.

    A capture counts from the moment whose state it holds, and only where it is sound in some place. While the next
    run may still be going on, its deadline is granted. A validator younger than its recovery point has missed none.
    """
    mine = [record for record in records if record.validator == spec.name]
    return tuple(_missed(spec, mine, now))


def _missed(spec: ValidatorSpec, records: list[Record], now: datetime) -> Iterator[MissedPoint]:
    halves: tuple[tuple[RecordKind, str, CaptureSchedule | None], ...] = (
        (RecordKind.BACKUP_SET, "backup set", spec.backup),
        (RecordKind.IDENTITY_DUMP, "identity dump", spec.identity_dump),
    )
    known_since = min((record.started for record in records), default=now)
    for kind, name, schedule in halves:
        if schedule is None or schedule.recovery_point is None or schedule.suspend:
            continue
        of_kind = [record for record in records if record.kind is kind]
        newest = max((_taken(record) for record in of_kind if _is_sound(record)), default=None)
        age = now - (newest or known_since)
        if age <= schedule.recovery_point + _grace(schedule, of_kind, now):
            continue
        told = (
            f"the newest proven {name} is {format_duration(age)} old" if newest else f"there is no proven {name} at all"
        )
        yield MissedPoint(kind, f"{told}; promised are {format_duration(schedule.recovery_point)}")


def _grace(schedule: CaptureSchedule, records: Iterable[Record], now: datetime) -> timedelta:
    running = (record for record in records if record.status is RecordStatus.RUNNING)
    return schedule.deadline if any(now - record.started < schedule.deadline for record in running) else _START


def _is_sound(record: Record) -> bool:
    return any(record.is_sound_in(place) for place in record.locations)


def _taken(record: Record) -> datetime:
    return captured_at(record.identifier) if is_capture_id(record.identifier) else record.started
