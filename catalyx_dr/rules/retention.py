"""Which captures are kept and which are removed, and why: a report, apart from any deletion.

A report looks at one destination at a time, since each has its own retention. Only proven captures count; the newest
proven one always stays; the floor beats every rule; what the store has locked stays until it is unlocked, and what a
recovery reads until that ends. What is of somebody else stays and counts for nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from catalyx_dr.model.capture import Capture
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.record import READ_SET, Record, RecordKind, RecordStatus
from catalyx_dr.model.retention import Retention

# A restore that was cut off goes on with its set when it is asked for again.
_LONGEST_READ = timedelta(days=7)
# What reads a set while backups go on.
READERS = (RecordKind.RESTORE, RecordKind.DRILL)
_NONE: Mapping[str, str] = {}
Period = Callable[[date], tuple[int, ...]]
_PERIODS: tuple[tuple[str, Period], ...] = (
    ("daily", lambda day: (day.year, day.month, day.day)),
    ("weekly", lambda day: tuple(day.isocalendar()[:2])),
    ("monthly", lambda day: (day.year, day.month)),
    ("yearly", lambda day: (day.year,)),
)


@dataclass(frozen=True)
class Verdict:
    """What happens to a capture, and every reason for it."""

    capture: Capture
    keep: bool
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{'keep' if self.keep else 'remove'} {self.capture.identifier}: {', '.join(self.reasons)}"


def report(
    captures: Iterable[Capture],
    retention: Retention,
    now: datetime,
    in_use: Mapping[str, str] = _NONE,
    strangers: Mapping[str, str] = _NONE,
) -> tuple[Verdict, ...]:
    """Judge every capture at one destination at `now` (with a time zone), newest first.

    Days, weeks (ISO), months and years are those of UTC that hold a proven capture; a day without one is no day.
    An unproven capture counts for nothing; it goes when a newer one is proven, and until then stays to be looked at.
    `in_use`: ids of captures that somebody reads now, and who (`read_now`). `strangers`: ids of those that are of
    another validator or of other keys, and whose they are: people put them there, and people remove them.
    """
    ordered = sorted(captures, key=lambda capture: (capture.taken, capture.identifier), reverse=True)
    proven = [capture for capture in ordered if capture.proven and capture.identifier not in strangers]
    reasons = _reasons_to_keep(proven, retention, now)
    for capture in ordered:
        if capture.identifier in in_use:
            reasons.setdefault(capture, []).append(f"{in_use[capture.identifier]} reads it")
        if capture.identifier in strangers:
            reasons.setdefault(capture, []).append(strangers[capture.identifier])
    return tuple(_verdict(capture, reasons.get(capture, []), proven, now) for capture in ordered)


def read_now(records: Iterable[Record], now: datetime) -> dict[str, str]:
    """Sets that a restore or a drill reads, and which; one that began long ago and never ended was killed."""
    return {
        str(record.details[READ_SET]): f"{record.kind} {record.identifier}"
        for record in records
        if record.status is RecordStatus.RUNNING
        and record.kind in READERS
        and READ_SET in record.details
        and now - record.started < _LONGEST_READ
    }


def removals(verdicts: Iterable[Verdict]) -> tuple[Capture, ...]:
    """Captures that a report lets go, oldest first: the order in which to delete them."""
    return tuple(reversed([verdict.capture for verdict in verdicts if not verdict.keep]))


def most_kept(retention: Retention, per_within: int = 0) -> int:
    """Largest number of captures that `retention` can hold at once.

    `per_within`: captures that the schedule makes in the time of `within`. Without any further rule it is the
    vendor's Max Backup Number itself.
    """
    newest = max(retention.keep, retention.floor, per_within)
    return newest + retention.daily + retention.weekly + retention.monthly + retention.yearly


def _verdict(capture: Capture, reasons: Sequence[str], proven: Sequence[Capture], now: datetime) -> Verdict:
    if capture.locked(now) and capture.locked_until is not None:
        lock = f"locked by the store until {capture.locked_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return Verdict(capture, True, (*reasons, lock))
    if reasons:
        return Verdict(capture, True, tuple(reasons))
    if capture.proven:
        return Verdict(capture, False, ("beyond every rule of the retention",))
    if proven and proven[0].taken >= capture.taken:
        return Verdict(capture, False, (f"never proven, and {proven[0].identifier} is newer and proven",))
    return Verdict(capture, True, ("never proven: it counts for nothing, and stays until a newer one is proven",))


def _reasons_to_keep(proven: Sequence[Capture], retention: Retention, now: datetime) -> dict[Capture, list[str]]:
    """Reasons for each kept capture; `proven` is ordered, newest first."""
    reasons: dict[Capture, list[str]] = {}

    def keep(capture: Capture, reason: str) -> None:
        reasons.setdefault(capture, []).append(reason)

    for capture in proven[:1]:
        keep(capture, "the newest proven one")
    for capture in proven[: retention.keep]:
        keep(capture, f"one of the newest {retention.keep}")
    for capture in proven[retention.keep : retention.floor]:
        keep(capture, f"needed for the floor of {retention.floor}")
    if retention.within is not None:
        for capture in proven:
            if capture.age(now) <= retention.within:
                keep(capture, f"younger than {format_duration(retention.within)}")
    for name, period in _PERIODS:
        for capture in _newest_of_each(proven, period, getattr(retention, name)):
            keep(capture, f"{name} {capture.taken.astimezone(UTC):%Y-%m-%d}")
    return reasons


def _newest_of_each(proven: Sequence[Capture], period: Period, count: int) -> list[Capture]:
    chosen: dict[tuple[int, ...], Capture] = {}
    for capture in proven:
        chosen.setdefault(period(capture.taken.astimezone(UTC).date()), capture)
    return list(chosen.values())[:count]
