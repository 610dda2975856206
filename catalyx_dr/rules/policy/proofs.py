"""What is captured is proven again and again: verified, restored in drills, and somebody is told when it is not."""

from collections.abc import Iterator

from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule


@rule(
    "DR100",
    "Captures are verified on a schedule",
    severity="warning in staging, production and critical",
    why="Disks and stores change bytes, operators delete objects, listings lie. A set that was proven when it was "
    "taken is only known to be whole if it is read again; otherwise the disaster is the first to look.",
    source="practice of the field: silent decay of backups",
)
def verified(stack: Stack) -> Iterator[Found]:
    """Report a validator whose captures are never read again."""
    for path, validator in stack.validators():
        if not stack.is_development and validator.backup is not None and validator.verification is None:
            yield Found(
                Severity.WARNING,
                f"{path}.verification",
                validator.name,
                "captures are not read again until somebody needs them",
                "add verification: {} for the defaults",
            )


RULES = (verified,)
