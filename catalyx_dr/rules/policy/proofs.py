"""What is captured is proven again and again: verified, restored in drills, and somebody is told when it is not."""

from collections.abc import Iterator
from datetime import timedelta

from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule
from catalyx_dr.rules.recovery import USABLE_FOR

# Once a month is often enough.
_DAY = timedelta(days=1)


@rule(
    "DR100",
    "Captures are verified on a schedule",
    severity="warning in staging, production and critical",
    why="Disks and stores change bytes, operators delete objects, listings lie. A set that was proven when it was "
    "taken is only known to be whole if it is read again; otherwise the disaster is the first to look.",
    source="practice of the field: silent decay of backups",
)
def verified(stack: Stack) -> Iterator[Found]:
    """Report a validator whose captures are never read again, or not while they can be restored."""
    for path, validator in stack.validators():
        verification = validator.verification
        if stack.is_development or validator.backup is None:
            continue
        if verification is None:
            place, reason = "verification", "captures are not read again until somebody needs them"
        elif verification.schedule.fires and verification.schedule.largest_gap(stack.now) > USABLE_FOR + _DAY:
            place, reason = "verification.cron", f"{verification.cron!r} reads a set when it can no longer be restored"
        else:
            continue
        yield Found(
            Severity.WARNING,
            f"{path}.{place}",
            validator.name,
            reason,
            "write verification: {} for the defaults",
        )


@rule(
    "DR101",
    "A restore is rehearsed on a schedule",
    severity="warning in production and critical",
    why="Bytes that are whole are not yet a validator: only a restore shows that the database server takes them, that "
    "order and identity are right, and how long it takes. The recovery time of a plan that was never run is a guess. "
    "Where sets are in a bucket only, a drill would keep a private identity in the cluster: there it is a choice.",
    source="practice of the field: untested backups",
)
def rehearsed(stack: Stack) -> Iterator[Found]:
    """Report a validator with a volume, or snapshots, of which no set is ever restored for proof."""
    for path, validator in stack.validators():
        backup = validator.backup
        if stack.strict and backup and (backup.volume or backup.snapshot) and validator.drill is None:
            yield Found(
                Severity.WARNING,
                f"{path}.drill",
                validator.name,
                "no set is ever restored to see whether that works, and how long it takes",
                "add drill: {} for the defaults",
            )


@rule(
    "DR102",
    "A drill finds a set that it can open",
    severity="error",
    why="A drill without a source fails every time. Sets in the bucket are encrypted: to open one, a private identity "
    "has to be in the cluster.",
    source="design of this project: encryption",
)
def drill_has_source(stack: Stack) -> Iterator[Found]:
    """Report a drill whose source is not declared, or cannot be opened."""
    for path, validator in stack.validators():
        drill, backup = validator.drill, validator.backup
        if drill is None or backup is None:
            continue
        if drill.source == "snapshot" and backup.snapshot is None:
            reason, remedy = "there is no backup.snapshot to restore from", "leave source out"
        elif drill.source != "snapshot" and backup.snapshot is not None:
            reason, remedy = "the sets are snapshots", "leave source out, or write source: snapshot"
        elif drill.source == "volume" and backup.volume is None:
            reason, remedy = "there is no backup.volume to restore from", "write source: bucket, and ageIdentity"
        elif drill.source == "bucket" and backup.bucket is None:
            reason, remedy = "there is no backup.bucket to restore from", "write source: volume"
        elif drill.source == "bucket" and drill.age_identity is None:
            reason, remedy = (
                "what is in the bucket is encrypted",
                "name the Secret with a private identity: ageIdentity",
            )
        else:
            continue
        yield Found(Severity.ERROR, f"{path}.drill.source", validator.name, reason, remedy)


@rule(
    "DR103",
    "No private age identity stays in the cluster",
    severity="warning",
    why="Who takes over the cluster can then open every copy that was made to survive exactly that. A drill from the "
    "volume needs no identity.",
    source="design of this project: identities are given only to a recovery",
)
def identity_stays_outside(stack: Stack) -> Iterator[Found]:
    """Report a drill that keeps an identity in the cluster."""
    for path, validator in stack.validators():
        if validator.drill is not None and validator.drill.age_identity is not None:
            yield Found(
                Severity.WARNING,
                f"{path}.drill.ageIdentity",
                validator.name,
                f"Secret {validator.drill.age_identity.name!r} holds a private identity in the cluster all the time",
                "drill from the volume; or use an identity of its own, and take it out of the recipients when it leaks",
            )


@rule(
    "DR104",
    "Somebody is told when a run fails",
    severity="warning in production and critical",
    why="Events in the cluster are kept for an hour, and nobody looks at them in the night. Backups that stopped days "
    "ago are found when they are needed.",
    source="promise of this project: silence is an alarm",
)
def somebody_is_told(stack: Stack) -> Iterator[Found]:
    """Report a validator whose failures reach nobody."""
    for path, validator in stack.validators():
        alerts = validator.alerts
        if (
            stack.strict
            and validator.backup is not None
            and not (alerts and (alerts.webhook or alerts.prometheus_rule))
        ):
            yield Found(
                Severity.WARNING,
                f"{path}.alerts",
                validator.name,
                "failed runs and missed recovery points end in Events of the cluster only",
                "add alerts with a webhook, with prometheusRule: true, or both",
            )


RULES = (verified, rehearsed, drill_has_source, identity_stays_outside, somebody_is_told)
