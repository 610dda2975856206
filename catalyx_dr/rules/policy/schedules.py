"""Schedules run, often enough, evenly, once, and not all at the same minute (domain 1.1; vendor guide)."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

from catalyx_dr.model.cron_grammar import EverySchedule
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.environment_spec import Environment
from catalyx_dr.model.run_schedule import RunSchedule
from catalyx_dr.model.schedule import Schedule
from catalyx_dr.rules.environments import DEFAULTS
from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule

# "at least every 4 hours" (domain 1.1).
CANTONS_RECOVERY_POINT = timedelta(hours=4)
_CANTONS_SETTINGS = "cron: '0 */4 * * *' and recoveryPoint: 4h"
_HOUR = timedelta(hours=1)
# A day of backups every four hours, and one more.
_RUNS_COMPARED = 7


@rule(
    "DR010",
    "Backups are at most 4 hours apart",
    severity="error in critical, warning in production",
    why="Canton asks for a database backup at least every 4 hours. The vendor's table says 6 hours for production; the "
    "difference is two more hours of users and transactions that a recovery loses.",
    source="Splice documentation, Validator Backups; vendor guide, Recommended Backup Frequency",
)
def cantons_recovery_point(stack: Stack) -> Iterator[Found]:
    """Report backups whose schedule or promise is beyond Canton's 4 hours."""
    if not stack.strict:
        return
    severity = Severity.ERROR if stack.environment is Environment.CRITICAL else Severity.WARNING
    for path, validator in stack.validators():
        backup = validator.backup
        if backup is None or not backup.schedule.fires:
            continue
        gap = backup.schedule.largest_gap(stack.now)
        worst = max(gap, backup.recovery_point or gap)
        if worst > CANTONS_RECOVERY_POINT:
            when, clocks_stay = _by_clocks_alone(backup, stack, CANTONS_RECOVERY_POINT)
            yield Found(
                severity,
                f"{path}.backup.cron",
                validator.name,
                f"the recovery point of {backup.cron!r} is {format_duration(worst)}{when}, Canton asks for 4h",
                f"write {clocks_stay or _CANTONS_SETTINGS}, or waive it with the reason",
            )


@rule(
    "DR011",
    "A schedule keeps the recovery point it promises",
    severity="error",
    why="The recovery point is what the owner was promised and what the alert watches. A schedule with a longer gap "
    "breaks the promise every time it comes, or alerts without anything being wrong.",
    source="promise of this project: every schedule declares its recovery point",
)
def promise_kept(stack: Stack) -> Iterator[Found]:
    """Report a schedule whose largest gap is longer than its recovery point."""
    for path, validator, schedule in stack.schedules():
        if schedule.recovery_point is None or not schedule.schedule.fires:
            continue
        gap = schedule.schedule.largest_gap(stack.now)
        if gap > schedule.recovery_point:
            yield Found(
                Severity.ERROR,
                f"{path}.recoveryPoint",
                validator.name,
                f"{format_duration(schedule.recovery_point)} is promised, but {schedule.cron!r} "
                f"({schedule.time_zone}) leaves up to {format_duration(gap)} between two runs",
                "run more often, or promise what the schedule gives",
            )


@rule(
    "DR012",
    "Captures are as frequent as the vendor recommends",
    severity="error in production and critical, else warning",
    why="The vendor's table is the least for each environment: databases daily, every 12 and every 6 hours; dumps "
    "weekly, daily, daily in development, staging and production.",
    source="vendor guide, Recommended Backup Frequency",
)
def vendors_frequency(stack: Stack) -> Iterator[Found]:
    """Report a schedule that is rarer than its environment's."""
    defaults = DEFAULTS[stack.environment]
    for path, validator, schedule in stack.schedules():
        if not schedule.schedule.fires:
            continue
        recommended = Schedule(defaults.backup_cron if schedule is validator.backup else defaults.dump_cron)
        gap, least = schedule.schedule.largest_gap(stack.now), recommended.largest_gap(stack.now)
        # A clock set back by an hour once a year makes no schedule rarer.
        if gap > least + _HOUR:
            when, clocks_stay = _by_clocks_alone(schedule, stack, least)
            yield Found(
                stack.severity(),
                f"{path}.cron",
                validator.name,
                f"{schedule.cron!r} leaves up to {format_duration(gap)} between two runs{when}; "
                f"{stack.environment} wants {format_duration(least)}",
                f"write {clocks_stay or f'cron: {recommended.cron!r}'}",
            )


@rule(
    "DR013",
    "A schedule runs at all",
    severity="error",
    why="Kubernetes accepts dates that never come (`0 0 31 2 *`); its controller then starts nothing, for ever.",
    source="Kubernetes CronJob controller",
)
def runs_at_all(stack: Stack) -> Iterator[Found]:
    """Report a schedule without any run."""
    for path, validator, schedule in stack.runs():
        if not schedule.schedule.fires:
            yield Found(
                Severity.ERROR,
                f"{path}.cron",
                validator.name,
                f"{schedule.cron!r} never runs: no such date comes",
                "write a date that exists, for example '0 0 * * *'",
            )


@rule(
    "DR014",
    "Runs are evenly spaced",
    severity="warning",
    why="A step starts again with its range: `*/5` hours runs at 20:00 and then at 0:00. What reads like one distance "
    "is two, and the shorter one can be too short for a run.",
    source="Kubernetes CronJob grammar",
)
def evenly_spaced(stack: Stack) -> Iterator[Found]:
    """Report steps that do not divide their range."""
    for path, validator, schedule in stack.runs():
        uneven = schedule.schedule.uneven_fields
        if uneven and schedule.schedule.fires:
            gaps = schedule.schedule.smallest_gap(stack.now), schedule.schedule.largest_gap(stack.now)
            apart = " to ".join(dict.fromkeys(map(format_duration, gaps)))
            yield Found(
                Severity.WARNING,
                f"{path}.cron",
                validator.name,
                f"the step of the {uneven[0]} in {schedule.cron!r} does not divide its range: runs are {apart} apart",
                "use a step that divides 24 hours or 60 minutes"
                if uneven[0] in ("minute", "hour")
                else "name the days or months on which it runs",
            )


@rule(
    "DR015",
    "Changes of the clocks neither double nor drop a run",
    severity="warning",
    why="In a zone with daylight saving, Kubernetes starts a run twice when its hour comes twice, and not at all when "
    "its hour is skipped: a day without a backup.",
    source="Kubernetes issue 121594",
)
def clock_changes(stack: Stack) -> Iterator[Found]:
    """Report runs that daylight saving doubles or drops, where they are rarer than hourly."""
    for path, validator, schedule in stack.runs():
        if not schedule.schedule.fires or schedule.schedule.smallest_gap(stack.now) <= _HOUR:
            continue
        changes = schedule.schedule.clock_changes(stack.now)
        if changes:
            told = " and ".join(
                f"on {change.wall:%Y-%m-%d} at {change.wall:%H:%M} {'twice' if change.runs else 'not at all'}"
                for change in changes[:2]
            )
            yield Found(
                Severity.WARNING,
                f"{path}.timeZone",
                validator.name,
                f"in {schedule.time_zone} it runs {told}",
                "use timeZone: Etc/UTC, or an hour that the zone never skips or repeats",
            )


@rule(
    "DR016",
    "Validators do not all start at the same minute",
    severity="warning",
    why="Backups that start together compete for the database server, the network and the store; each takes as long as "
    "all of them, and misses its recovery point.",
    source="practice of the field: missed and piled-up runs",
)
def no_collisions(stack: Stack) -> Iterator[Found]:
    """Report validators of which backups start at the same minute, every time or now and then."""
    together: dict[float, list[tuple[int, str]]] = defaultdict(list)
    for place, (_, validator) in enumerate(stack.validators()):
        backup = validator.backup
        if backup is None or not backup.schedule.fires or isinstance(backup.schedule.parsed, EverySchedule):
            continue
        for run in islice(backup.schedule.runs_after(stack.now), _RUNS_COMPARED):
            together[run.timestamp()].append((place, validator.name))
    told: list[set[tuple[int, str]]] = []
    for group in sorted(together.values(), key=len, reverse=True):
        if len(group) > 1 and not any(set(group) <= known for known in told):
            told.append(set(group))
            names = ", ".join(name for _, name in group[:5]) + (f" and {len(group) - 5} more" if len(group) > 5 else "")
            cron = stack.spec.validators[group[1][0]].backup
            yield Found(
                Severity.WARNING,
                f"validators[{group[0][0]}].backup.cron",
                None,
                f"the backups of {len(group)} validators start at the same minute: {names}",
                f"give each another minute, for example {_other_minute(cron.cron if cron else '')}",
            )


@rule(
    "DR017",
    "A run ends before the next begins",
    severity="warning",
    why="Two runs of one schedule never run together (concurrencyPolicy Forbid): while a slow one may still run, the "
    "next is skipped, and the recovery point doubles.",
    source="Kubernetes CronJob concurrency policy",
)
def ends_before_next(stack: Stack) -> Iterator[Found]:
    """Report a deadline that reaches beyond the next run."""
    for path, validator, schedule in stack.runs():
        if not schedule.schedule.fires:
            continue
        gap = schedule.schedule.smallest_gap(stack.now)
        if schedule.deadline > gap:
            yield Found(
                Severity.WARNING,
                f"{path}.deadline",
                validator.name,
                f"a run may take {format_duration(schedule.deadline)}, the next begins after {format_duration(gap)} "
                "and would be skipped",
                f"write deadline: {format_duration(gap)} or less",
            )


def _by_clocks_alone(schedule: RunSchedule, stack: Stack, allowed: timedelta) -> tuple[str, str]:
    """Say when the gap is too long and the way out, where only a change of the clocks makes it so."""
    if Schedule(schedule.cron).largest_gap(stack.now) > allowed or schedule.schedule.largest_gap(stack.now) <= allowed:
        return "", ""
    return f" when the clocks of {schedule.time_zone} change", "timeZone: Etc/UTC"


def _other_minute(cron: str) -> str:
    _, separator, rest = cron.partition(" ")
    return f"'20 {rest}'" if separator and not cron.startswith("@") else "'20 */4 * * *'"


RULES = (
    cantons_recovery_point,
    promise_kept,
    vendors_frequency,
    runs_at_all,
    evenly_spaced,
    clock_changes,
    no_collisions,
    ends_before_next,
)
