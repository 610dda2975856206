"""Both halves of a validator's protection are there and run (vendor guide, Backup Types Overview)."""

from collections.abc import Iterator

from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule


@rule(
    "DR001",
    "Both halves are scheduled",
    severity="error",
    why="Database backups alone cannot restore a validator's identity, identity dumps alone cannot restore its ledger "
    "state. With one half missing, a recovery ends with a party nobody can act for, or with an empty validator.",
    source="vendor guide, Backup Types Overview; Splice documentation, Validator Backups",
)
def both_halves(stack: Stack) -> Iterator[Found]:
    """Report a validator without database backups or without identity dumps."""
    for path, validator in stack.validators():
        missing = [
            name
            for name, half in (("backup", validator.backup), ("identityDump", validator.identity_dump))
            if half is None
        ]
        for name in missing:
            what = "database backup" if name == "backup" else "identity dump"
            yield Found(
                Severity.ERROR,
                f"{path}.{name}",
                validator.name,
                f"no {what} is scheduled",
                "add backup with a volume or bucket" if name == "backup" else "add identityDump: {} for the defaults",
            )


@rule(
    "DR002",
    "No schedule is suspended",
    severity="error in production and critical, else warning",
    why="A paused schedule makes no noise: the last capture grows old while everything looks healthy.",
    source="promise of this project: silence is an alarm",
)
def not_suspended(stack: Stack) -> Iterator[Found]:
    """Report a suspended schedule."""
    for path, validator, schedule in stack.runs():
        if schedule.suspend:
            yield Found(
                stack.severity(),
                f"{path}.suspend",
                validator.name,
                "the schedule is suspended: nothing runs until it is resumed",
                "set suspend: false, or waive it with the reason and the day it ends",
            )


RULES = (both_halves, not_suspended)
