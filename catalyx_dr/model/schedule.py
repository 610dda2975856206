"""When something runs: a schedule in Kubernetes' grammar and a time zone, with the runs its controller will start."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from heapq import heappop, heappush
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from catalyx_dr.model.cron_grammar import DayFields, EverySchedule, FieldSchedule, parse_cron

# The controller gives up after five years; so does every search here.
_HORIZON_YEARS = 5
_DAY = timedelta(days=1)
# Only 29 February comes less than twice in that time.
_LEAP_YEARS = timedelta(days=4 * 365 + 1)
# No zone's clock has ever been set by more than this for daylight saving.
_LARGEST_SHIFT = timedelta(hours=3)
# Characters that the API server allows in a part of a zone's name.
_ZONE_PART = re.compile(r"[A-Za-z.\-_0-9+]{1,14}")


@dataclass(frozen=True)
class ClockChange:
    """A run that a change of the clocks doubles or drops; `wall` is the local time it is written for."""

    wall: datetime
    runs: int


@dataclass(frozen=True)
class Schedule:
    """A cron expression and a zone; raises ValueError when Kubernetes would refuse either."""

    cron: str
    time_zone: str = "Etc/UTC"

    def __post_init__(self) -> None:
        check_cron(self.cron)
        check_time_zone(self.time_zone)

    @cached_property
    def parsed(self) -> FieldSchedule | EverySchedule:
        """The expression as sets of values, or an interval."""
        return parse_cron(self.cron)

    def runs_after(self, moment: datetime) -> Iterator[datetime]:
        """Runs strictly after `moment` (with a time zone), in order, in the schedule's zone; ends when there are none.

        As the controller has it: a local time that the clocks skip does not run, one that they repeat runs twice.
        `@every` counts from `moment`, as the controller counts from the CronJob's creation or last run.
        In the few zones that skip midnight or shift by half an hour, the controller can miss a further run on that day.
        """
        zone = ZoneInfo(self.time_zone)
        if isinstance(self.parsed, EverySchedule):
            return _every(moment.astimezone(UTC).replace(microsecond=0), self.parsed.interval, zone)
        return (
            run.astimezone(zone)
            for run in _instants(_wall_times(self.parsed, moment.astimezone(zone).replace(tzinfo=None)), zone)
            if run > moment
        )

    def next_run(self, moment: datetime) -> datetime | None:
        """First run after `moment`, or None when it never runs."""
        return next(self.runs_after(moment), None)

    @property
    def fires(self) -> bool:
        """Tell whether it ever runs; `0 0 31 2 *` is accepted and never does."""
        return isinstance(self.parsed, EverySchedule) or _nominal_gaps(self.parsed, date.today()) is not None

    @property
    def uneven_fields(self) -> tuple[str, ...]:
        """Fields whose step does not divide their range, so that the last rest is shorter: `*/5` hours."""
        if isinstance(self.parsed, EverySchedule):
            return ()
        return tuple(field.title for field in self.parsed.fields if field.uneven)

    def largest_gap(self, moment: datetime) -> timedelta:
        """Longest time between two runs in the years after `moment`: the recovery point at its worst.

        Raises ValueError when it never runs.
        """
        if isinstance(self.parsed, EverySchedule):
            return self.parsed.interval
        gap = _largest_gap(self, moment.astimezone(UTC).date())
        if gap is None:
            raise ValueError(f"{self.cron!r} never runs")
        return gap

    def smallest_gap(self, moment: datetime) -> timedelta:
        """Shortest time between two runs by the clock on the wall; raises ValueError when it never runs."""
        if isinstance(self.parsed, EverySchedule):
            return self.parsed.interval
        gaps = _nominal_gaps(self.parsed, moment.astimezone(UTC).date())
        if gaps is None:
            raise ValueError(f"{self.cron!r} never runs")
        return gaps[0]

    def clock_changes(self, moment: datetime) -> tuple[ClockChange, ...]:
        """Runs of the two years after `moment` that daylight saving doubles or drops."""
        if isinstance(self.parsed, EverySchedule):
            return ()
        return _clock_changes(self, moment.astimezone(UTC).date())


def check_cron(text: str) -> str:
    """Return `text` when the API server accepts it as a schedule; raise ValueError that says what is allowed."""
    try:
        parse_cron(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no cron expression that Kubernetes accepts: {error}; write five fields, "
            "for example '0 */4 * * *', or a macro such as '@daily'"
        ) from None
    return text


def check_time_zone(text: str) -> str:
    """Return `text` when the API server accepts it as a zone; raise ValueError otherwise."""
    parts = text.split("/")
    try:
        if text.lower() == "local" or any(
            part in (".", "..") or part.startswith("-") or not _ZONE_PART.fullmatch(part) for part in parts
        ):
            raise ValueError(text)
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{text!r} is no time zone; write a name such as Etc/UTC or Europe/Berlin") from None
    return text


def _every(start: datetime, interval: timedelta, zone: ZoneInfo) -> Iterator[datetime]:
    while True:
        start += interval
        yield start.astimezone(zone)


def _wall_times(fields: FieldSchedule, wall: datetime) -> Iterator[datetime]:
    """Local times without a zone at which it should run, from shortly before `wall`."""
    if not all(field.values for field in fields.fields):
        return
    neither_star = not fields.days.star and not fields.weekdays.star
    every_day = neither_star and (len(fields.days.values) == 31 or len(fields.weekdays.values) == 7)
    # croniter takes a full list for a star, and would then demand both day fields where Kubernetes takes either.
    days = ("*", "*") if every_day else (fields.days.canonical(), fields.weekdays.canonical())
    expression = " ".join(
        (fields.minutes.canonical(), fields.hours.canonical(), days[0], fields.months.canonical(), days[1])
    )
    upcoming = croniter(expression, wall - _LARGEST_SHIFT, max_years_between_matches=_HORIZON_YEARS)
    while True:
        try:
            yield upcoming.get_next(datetime)
        except CroniterBadDateError:
            return


def _instants(walls: Iterator[datetime], zone: ZoneInfo) -> Iterator[datetime]:
    """Moments in UTC at which a clock in `zone` shows those times, in order: none, one or two for each."""
    waiting: list[datetime] = []
    for wall in walls:
        earliest = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        while waiting and waiting[0] < earliest:
            yield heappop(waiting)
        for moment in _occurrences(wall, zone):
            heappush(waiting, moment)
    while waiting:
        yield heappop(waiting)


def _occurrences(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    candidates = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return tuple(sorted(moment for moment in candidates if moment.astimezone(zone).replace(tzinfo=None) == wall))


@lru_cache(maxsize=1024)
def _nominal_gaps(fields: FieldSchedule, day: date) -> tuple[timedelta, timedelta] | None:
    """Smallest and largest gap by the clock on the wall over the coming years; None when it never runs."""
    times = fields.minutes_of_day
    between_days = _gaps_of_days(fields.on_days, day) if times else None
    if between_days is None:
        return None
    gaps = {timedelta(minutes=later - earlier) for earlier, later in pairwise(times)}
    over_night = timedelta(minutes=times[0] - times[-1])
    gaps |= {gap + over_night for gap in between_days}
    return (min(gaps), max(gaps)) if gaps else (_LEAP_YEARS,) * 2


# Apart, because most schedules of a stack differ in the time of day alone.
@lru_cache(maxsize=256)
def _gaps_of_days(fields: DayFields, day: date) -> frozenset[timedelta] | None:
    """Gaps between the days of the coming years on which it runs; None when there is no such day."""
    days = [day + offset * _DAY for offset in range(366 * _HORIZON_YEARS) if fields.has_day(day + offset * _DAY)]
    return frozenset(later - earlier for earlier, later in pairwise(days)) if days else None


@lru_cache(maxsize=1024)
def _largest_gap(schedule: Schedule, day: date) -> timedelta | None:
    """Largest gap by the clock on the wall, or around a change of the clocks where that is longer."""
    assert isinstance(schedule.parsed, FieldSchedule)  # noqa: S101 - for the type checker
    nominal = _nominal_gaps(schedule.parsed, day)
    if nominal is None:
        return None
    largest = nominal[1]
    reach = min(largest, 8 * _DAY) + _DAY
    for transition in _transitions(ZoneInfo(schedule.time_zone), day):
        end = transition + reach
        runs = takewhile(end.__ge__, schedule.runs_after(transition - reach))
        gaps = (later - earlier for earlier, later in pairwise(run.astimezone(UTC) for run in runs))
        largest = max([largest, *gaps])
    return largest


@lru_cache(maxsize=1024)
def _clock_changes(schedule: Schedule, day: date) -> tuple[ClockChange, ...]:
    assert isinstance(schedule.parsed, FieldSchedule)  # noqa: S101 - for the type checker
    zone = ZoneInfo(schedule.time_zone)
    found = []
    for transition in _transitions(zone, day):
        before = (transition - timedelta(minutes=1)).astimezone(zone).replace(tzinfo=None)
        end = before + _LARGEST_SHIFT
        for wall in takewhile(end.__gt__, _wall_times(schedule.parsed, before)):
            runs = len(_occurrences(wall, zone))
            if runs != 1:
                found.append(ClockChange(wall, runs))
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=256)
def _transitions(zone: ZoneInfo, day: date) -> tuple[datetime, ...]:
    """Moments of the two years after `day` at which the zone's clocks are set, to the minute."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    found = []
    for earlier, later in pairwise(start + offset * _DAY for offset in range(2 * 366)):
        if earlier.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            found.append(_change_between(earlier, later, zone))
    return tuple(found)


def _change_between(earlier: datetime, later: datetime, zone: ZoneInfo) -> datetime:
    before = earlier.astimezone(zone).utcoffset()
    while later - earlier > timedelta(minutes=1):
        middle = (earlier + (later - earlier) / 2).replace(second=0, microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            earlier = middle
        else:
            later = middle
    return later
