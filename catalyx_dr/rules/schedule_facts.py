"""What a live CronJob tells of its schedule: when it should have run, when it will."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import dropwhile, islice, takewhile

from catalyx_dr.model.cron_grammar import EverySchedule
from catalyx_dr.model.schedule import Schedule

_LOOKED_AT = 1000


@dataclass(frozen=True)
class ScheduleFacts:
    """A CronJob as it is in the cluster; all times have a time zone."""

    name: str
    cron: str
    time_zone: str
    suspended: bool
    created: datetime
    last_scheduled: datetime | None = None

    def next_runs(self, now: datetime, count: int = 2) -> tuple[datetime, ...]:
        """Next runs in UTC; none while it is suspended."""
        if self.suspended:
            return ()
        # The controller counts `@every` from the last run, so later ones are looked for from there.
        runs = dropwhile(now.__ge__, self._schedule.runs_after(self._counted_from if self._by_interval else now))
        return tuple(run.astimezone(UTC) for run in islice(runs, count))

    def missed_runs(self, now: datetime) -> tuple[datetime, ...]:
        """Runs that were due since the last one (or since it was made) and were not started; at most a thousand."""
        due = takewhile(now.__ge__, self._schedule.runs_after(self._counted_from))
        return tuple(run.astimezone(UTC) for run in islice(due, _LOOKED_AT))

    @property
    def _schedule(self) -> Schedule:
        return Schedule(self.cron, self.time_zone)

    @property
    def _by_interval(self) -> bool:
        return isinstance(self._schedule.parsed, EverySchedule)

    @property
    def _counted_from(self) -> datetime:
        return max(self.created, self.last_scheduled or self.created)
