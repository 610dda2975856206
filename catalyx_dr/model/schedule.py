"""Cron schedules in exactly the grammar that Kubernetes' CronJob controller accepts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from croniter import croniter

_MACROS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


@dataclass(frozen=True)
class Schedule:
    """A five-field cron expression (or macro) in a time zone; raises ValueError when Kubernetes would refuse it."""

    cron: str
    time_zone: str = "Etc/UTC"

    def __post_init__(self) -> None:
        check_cron(self.cron)
        check_time_zone(self.time_zone)

    def runs_after(self, moment: datetime) -> Iterator[datetime]:
        """Runs strictly after `moment`, in order, in the schedule's zone."""
        start = moment.astimezone(ZoneInfo(self.time_zone))
        return croniter(self.cron, start).all_next(datetime)

    def next_run(self, moment: datetime) -> datetime:
        """First run after `moment`."""
        return next(self.runs_after(moment))

    def largest_gap(self, moment: datetime, runs: int = 400) -> timedelta:
        """Longest time between two of the next `runs` runs after `moment`: the recovery point at its worst."""
        upcoming = self.runs_after(moment)
        return max(later - earlier for earlier, later in pairwise(next(upcoming) for _ in range(runs)))


def check_cron(text: str) -> str:
    """Return `text` when it is five fields or a macro; raise ValueError that says what is allowed."""
    if text in _MACROS:
        return text
    if len(text.split()) != 5 or not croniter.is_valid(text):
        raise ValueError(
            f"{text!r} is no cron expression that Kubernetes accepts; write five fields "
            f"(minute hour day month weekday, for example '0 */4 * * *') or one of {', '.join(_MACROS)}"
        )
    return text


def check_time_zone(text: str) -> str:
    """Return `text` when it names a zone of the IANA database; raise ValueError otherwise."""
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{text!r} is no time zone; write a name such as Etc/UTC or Europe/Berlin") from None
    return text
