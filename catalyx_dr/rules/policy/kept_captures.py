"""What is kept is enough, usable and close enough together (vendor guide; domain 1.1)."""

from collections.abc import Iterator
from datetime import timedelta

from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.environment_spec import Environment
from catalyx_dr.model.retention import Retention
from catalyx_dr.rules.environments import DEFAULTS
from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule
from catalyx_dr.rules.recovery import USABLE_FOR

_DAY = timedelta(days=1)
_TIERS = (
    ("daily", _DAY),
    ("weekly", 7 * _DAY),
    ("monthly", 31 * _DAY),
    ("yearly", 366 * _DAY),
)


@rule(
    "DR020",
    "Enough backups are kept",
    severity="error in production and critical, else warning",
    why="The vendor's range: 3 to 5 backups in development, 7 to 30 in production.",
    source="vendor guide, Create a Backup Schedule",
)
def enough_backups(stack: Stack) -> Iterator[Found]:
    """Report a validator that keeps fewer sets than its environment wants, wherever it keeps the most."""
    fewest = DEFAULTS[stack.environment].fewest_backups
    for path, validator in stack.validators():
        if validator.backup is None:
            continue
        name, retention = max(_destinations(validator.backup), key=lambda item: _counted(item[1]))
        if _counted(retention) < fewest:
            yield Found(
                stack.severity(),
                f"{path}.backup.{name}.retention.keep",
                validator.name,
                f"backups kept: {_counted(retention)}; {stack.environment} wants {fewest} or more",
                f"write keep: {DEFAULTS[stack.environment].volume_keep}",
            )


@rule(
    "DR021",
    "The volume does not keep more than the vendor's range",
    severity="warning",
    why="Every backup on the volume costs the storage of both databases. Long histories belong into the bucket.",
    source="vendor guide, Create a Backup Schedule",
)
def not_too_many_backups(stack: Stack) -> Iterator[Found]:
    """Report a volume that keeps more sets than the vendor's range."""
    most = DEFAULTS[stack.environment].most_backups
    for path, validator in stack.validators():
        volume = validator.backup.volume if validator.backup else None
        if volume is not None and most is not None and volume.retention.keep > most:
            yield Found(
                Severity.WARNING,
                f"{path}.backup.volume.retention.keep",
                validator.name,
                f"{volume.retention.keep} backups on the volume; {stack.environment} wants {most} at the most",
                f"write keep: {most}, and keep more in the bucket",
            )


@rule(
    "DR022",
    "Enough identity dumps are kept",
    severity="error in production and critical, else warning",
    why="Keys rotate, and a bad dump is noticed late. The vendor wants 14 dumps in production, 30 for critical "
    "infrastructure.",
    source="vendor guide, Configure an Identity Dump Schedule",
)
def enough_dumps(stack: Stack) -> Iterator[Found]:
    """Report a validator that keeps too few dumps, in the cluster or in the bucket."""
    fewest = DEFAULTS[stack.environment].fewest_dumps
    for path, validator in stack.validators():
        dumps = validator.identity_dump
        if dumps is None:
            continue
        for name, retention in (("retention", dumps.retention), ("bucketRetention", dumps.bucket_retention)):
            if retention is not None and _counted(retention) < fewest:
                yield Found(
                    stack.severity(),
                    f"{path}.identityDump.{name}.keep",
                    validator.name,
                    f"identity dumps kept: {_counted(retention)}; {stack.environment} wants {fewest} or more",
                    f"write keep: {fewest}",
                )


@rule(
    "DR023",
    "Kept backups can still be restored",
    severity="warning",
    why="Sequencers prune what is older than 30 days. A participant restored from before cannot catch up: such a set "
    "is a record, not a recovery.",
    source="Splice documentation, Validator Backups",
)
def kept_are_usable(stack: Stack) -> Iterator[Found]:
    """Report sets that are kept beyond the 30 days."""
    for path, validator in stack.validators():
        backup = validator.backup
        if backup is None or not backup.schedule.fires:
            continue
        gap = backup.schedule.largest_gap(stack.now)
        for name, retention in _destinations(backup):
            window = _window(retention, gap)
            if window > USABLE_FOR:
                yield Found(
                    Severity.WARNING,
                    f"{path}.backup.{name}.retention",
                    validator.name,
                    f"sets are kept for {format_duration(window)}, but can be restored for {USABLE_FOR.days} days only",
                    "keep what 30 days need, or waive it with the reason (for example compliance)",
                )


@rule(
    "DR024",
    "Kept backups are closer together than the participant prunes",
    severity="error",
    why="Between a kept backup and the next lies history that only the participant has. If it prunes sooner than that, "
    "some history is in no backup at all.",
    source="Splice documentation, Validator Backups",
)
def closer_than_pruning(stack: Stack) -> Iterator[Found]:
    """Report a spacing of kept sets that is not below the participant's pruning retention."""
    for path, validator in stack.validators():
        backup, pruned_after = validator.backup, validator.participant_pruning_retention
        if backup is None or pruned_after is None or not backup.schedule.fires:
            continue
        spacings = {"cron": ("schedule's", backup.schedule.largest_gap(stack.now))}
        for name, retention in _destinations(backup):
            for tier, spacing in _TIERS:
                if getattr(retention, tier):
                    spacings[f"{name}.retention.{tier}"] = (tier, spacing)
        for place, (what, spacing) in spacings.items():
            if spacing >= pruned_after:
                yield Found(
                    Severity.ERROR,
                    f"{path}.backup.{place}",
                    validator.name,
                    f"the {what} spacing of kept sets is {format_duration(spacing)}, the participant prunes after "
                    f"{format_duration(pruned_after)}",
                    "keep sets closer together, or let the participant keep its history longer",
                )


@rule(
    "DR025",
    "Kept backups reach back at least a day",
    severity="error in production and critical, warning in staging",
    why="Damage is often noticed the next day. When every kept set is younger, all of them hold the damage.",
    source="practice of the field: retention that deletes the last good backup",
)
def reaches_back(stack: Stack) -> Iterator[Found]:
    """Report a retention whose oldest set is younger than a day."""
    if stack.environment is Environment.DEVELOPMENT:
        return
    for path, validator in stack.validators():
        backup = validator.backup
        if backup is None or not backup.schedule.fires:
            continue
        gap = backup.schedule.smallest_gap(stack.now)
        name, retention = max(_destinations(backup), key=lambda item: _window(item[1], gap))
        window = _window(retention, gap)
        if window < _DAY:
            yield Found(
                stack.severity(),
                f"{path}.backup.{name}.retention.keep",
                validator.name,
                f"the kept sets reach back only {format_duration(window)}",
                "keep more, or add daily: 7",
            )


@rule(
    "DR026",
    "The floor is no hidden retention",
    severity="warning",
    why="The floor beats keep. A floor above it keeps more than the stack file seems to say, and the volume is sized "
    "for it.",
    source="retention of this project",
)
def floor_below_keep(stack: Stack) -> Iterator[Found]:
    """Report a floor above the number to keep."""
    for path, validator in stack.validators():
        places = [
            (f"backup.{name}.retention", retention)
            for name, retention in (_destinations(validator.backup) if validator.backup else ())
        ]
        if validator.identity_dump is not None:
            places.append(("identityDump.retention", validator.identity_dump.retention))
        for place, retention in places:
            if retention.floor > retention.keep:
                yield Found(
                    Severity.WARNING,
                    f"{path}.{place}.floor",
                    validator.name,
                    f"floor {retention.floor} is above keep {retention.keep}, so that {retention.floor} are kept",
                    f"write keep: {retention.floor}",
                )


def _destinations(backup: DatabaseBackup) -> tuple[tuple[str, Retention], ...]:
    return tuple(backup.retentions.items())


def _counted(retention: Retention) -> int:
    return max(retention.keep, retention.floor)


def _window(retention: Retention, gap: timedelta) -> timedelta:
    """How far back the oldest kept set reaches."""
    tiers: list[timedelta] = [getattr(retention, name) * spacing for name, spacing in _TIERS]
    return max([_counted(retention) * gap, retention.within or timedelta(), *tiers])


RULES = (
    enough_backups,
    not_too_many_backups,
    enough_dumps,
    kept_are_usable,
    closer_than_pruning,
    reaches_back,
    floor_below_keep,
)
