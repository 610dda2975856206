"""Changes of a stack file that would lose backups or mix up a recovery; needs the version before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from catalyx_dr.model.backup import BackupVolume
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.environment_spec import EnvironmentSpec, RecoveryRequest
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.policy.finding import Found, RuleText, Severity, Stack

# Where the objects of a bucket are; a change of any leaves the old ones behind.
_BUCKET_PLACE = ("name", "provider", "endpoint", "region", "prefix")


@dataclass(frozen=True)
class ChangeRule:
    """A rule that compares a stack file with the version before."""

    text: RuleText
    check: Callable[[EnvironmentSpec, Stack], Iterator[Found]]


def volume_survives(before: EnvironmentSpec, after: Stack) -> Iterator[Found]:
    """Report a volume that would be deleted or replaced."""
    for path, old, new in _pairs(before, after):
        old_volume, new_volume = _volume(old), _volume(new)
        if old_volume is None or new is None:
            continue
        if new_volume is None:
            what = "LEAVES the backup volume behind: the claim stays, but no job and no recovery uses its sets"
            remedy = "keep backup.volume"
        elif new.namespace != old.namespace:
            what, remedy = (
                f"REPLACES the backup volume ({old.namespace} -> {new.namespace}): data loss",
                "keep the namespace, and recover into another one from the bucket",
            )
        elif new_volume.storage_class != old_volume.storage_class:
            what, remedy = (
                f"REPLACES the backup volume (storage class {old_volume.storage_class} -> {new_volume.storage_class}): "
                "data loss",
                f"keep storageClass: {old_volume.storage_class}",
            )
        else:
            continue
        yield Found(Severity.ERROR, f"{path}.backup.volume", new.name, what, remedy)


def bucket_survives(before: EnvironmentSpec, after: Stack) -> Iterator[Found]:
    """Report a bucket that would be left or replaced."""
    for path, old, new in _pairs(before, after):
        old_bucket, new_bucket = _bucket(old), _bucket(new)
        if old_bucket is None or new is None:
            continue
        place = f"{path}.backup.bucket"
        if new_bucket is None:
            reason = f"captures no longer go to bucket {old_bucket.name}; what is there is no longer listed"
            yield Found(Severity.ERROR, place, new.name, reason, "keep backup.bucket")
            continue
        moved = [name for name in _BUCKET_PLACE if getattr(old_bucket, name) != getattr(new_bucket, name)]
        if moved:
            told = ", ".join(f"{name} {getattr(old_bucket, name)!r} -> {getattr(new_bucket, name)!r}" for name in moved)
            reason = f"LEAVES the backups of bucket {old_bucket.name} behind ({told})"
            remedy = "keep the bucket, or copy its objects first and waive this with the reason"
            yield Found(Severity.ERROR, place, new.name, reason, remedy)
        if old_bucket.object_lock is not None and new_bucket.object_lock is None:
            reason = "object lock is no longer declared: new copies can be deleted by anybody with write access"
            yield Found(Severity.ERROR, f"{place}.objectLock", new.name, reason, "keep objectLock")


def protection_stays(before: EnvironmentSpec, after: Stack) -> Iterator[Found]:
    """Report a validator, or a half of one, that is no longer protected."""
    for path, old, new in _pairs(before, after):
        if new is None:
            reason = f"validator {old.name} is no longer protected: its schedules end, its backups stay unmanaged"
            remedy = "keep it while its party has a balance; waive this when the validator is gone for good"
            yield Found(Severity.ERROR, "validators", old.name, reason, remedy)
            continue
        halves = (("backup", old.backup, new.backup), ("identityDump", old.identity_dump, new.identity_dump))
        for name, half_before, half_after in halves:
            if half_before is not None and half_after is None:
                yield Found(
                    Severity.ERROR, f"{path}.{name}", new.name, f"{name} is no longer scheduled", f"keep {name}"
                )


def identity_stays(before: EnvironmentSpec, after: Stack) -> Iterator[Found]:
    """Report a changed party hint or migration id: another validator under the same name."""
    for path, old, new in _pairs(before, after):
        if new is None:
            continue
        for name, old_value, new_value in (
            ("partyHint", old.party_hint, new.party_hint),
            ("migrationId", old.migration_id, new.migration_id),
        ):
            if old_value != new_value:
                reason = f"{name} {old_value} -> {new_value}: dumps and sets made before belong to the old one"
                remedy = f"keep {name}, or protect the other validator under another name"
                yield Found(Severity.ERROR, f"{path}.{name}", new.name, reason, remedy)


def request_is_new(before: EnvironmentSpec, after: Stack) -> Iterator[Found]:
    """Report a recovery that was changed under the same request id: it would not run again."""
    pairs: tuple[tuple[str, RecoveryRequest | None, RecoveryRequest | None], ...] = (
        ("restore", before.restore, after.spec.restore),
        ("identityImport", before.identity_import, after.spec.identity_import),
    )
    for name, old, new in pairs:
        if old is not None and new is not None and old != new and old.request_id == new.request_id:
            reason = f"the request changed, but requestId is still {new.request_id!r}: it would not run again"
            yield Found(Severity.ERROR, f"{name}.requestId", new.validator, reason, "write another requestId")


def identifier_is_new(before: EnvironmentSpec, after: Stack) -> Iterator[Found]:
    """Report a newly asked import whose identifier the version before already names."""
    request = after.spec.identity_import
    if request is None or request == before.identity_import:
        return
    earlier = before.identity_import
    used = {validator.node_identifier: f"nodeIdentifier of {validator.name}" for validator in before.validators}
    if earlier is not None and earlier.request_id != request.request_id:
        used.setdefault(earlier.new_participant_identifier, f"used by request {earlier.request_id}")
    if request.new_participant_identifier in used:
        reason = f"{request.new_participant_identifier!r} was used before: {used[request.new_participant_identifier]}"
        remedy = "choose one that was never used, also when an earlier import failed half way"
        yield Found(Severity.ERROR, "identityImport.newParticipantIdentifier", request.validator, reason, remedy)


def promise_grows_no_worse(before: EnvironmentSpec, after: Stack) -> Iterator[Found]:
    """Report a recovery point that becomes longer."""
    for path, old, new in _pairs(before, after):
        if new is None:
            continue
        for name, half_before, half_after in (
            ("backup", old.backup, new.backup),
            ("identityDump", old.identity_dump, new.identity_dump),
        ):
            old_point = half_before.recovery_point if half_before else None
            new_point = half_after.recovery_point if half_after else None
            if old_point and new_point and new_point > old_point:
                reason = f"the recovery point gets longer: {format_duration(old_point)} -> {format_duration(new_point)}"
                remedy = "make sure that the owner of the validator agrees"
                yield Found(Severity.WARNING, f"{path}.{name}.recoveryPoint", new.name, reason, remedy)


def _pairs(before: EnvironmentSpec, after: Stack) -> Iterator[tuple[str, ValidatorSpec, ValidatorSpec | None]]:
    """Every validator of the version before, with its path in the new file and what became of it."""
    places = {validator.name: (path, validator) for path, validator in after.validators()}
    for validator in before.validators:
        path, new = places.get(validator.name, ("validators", None))
        yield path, validator, new


def _volume(validator: ValidatorSpec | None) -> BackupVolume | None:
    return validator.backup.volume if validator and validator.backup else None


def _bucket(validator: ValidatorSpec | None) -> BackupBucket | None:
    return validator.backup.bucket if validator and validator.backup else None


_SOURCE = "promise of this project: nothing is destroyed before its replacement is proven"
CHANGE_RULES = (
    ChangeRule(
        RuleText(
            "DR080",
            "A change keeps the backup volume",
            "error",
            "Storage class, namespace and name of a claim cannot be changed: the claim is replaced, and every set on "
            "it is gone.",
            _SOURCE,
        ),
        volume_survives,
    ),
    ChangeRule(
        RuleText(
            "DR081",
            "A change keeps the bucket and its lock",
            "error",
            "Sets in a bucket that is no longer named are not found by any recovery.",
            _SOURCE,
        ),
        bucket_survives,
    ),
    ChangeRule(
        RuleText(
            "DR082",
            "A change keeps the protection",
            "error",
            "Removing a validator, or one half of its protection, ends its schedules; nothing alerts afterwards.",
            _SOURCE,
        ),
        protection_stays,
    ),
    ChangeRule(
        RuleText(
            "DR083",
            "A validator stays the same one",
            "error",
            "With another party hint or migration id, dumps and sets made before would be recovered as somebody else.",
            "Splice documentation, Validator Disaster Recovery",
        ),
        identity_stays,
    ),
    ChangeRule(
        RuleText(
            "DR084",
            "Another recovery has another request id",
            "error",
            "A request runs once. A changed one under the same id does nothing, and looks as if it had.",
            "design of this project: requestId",
        ),
        request_is_new,
    ),
    ChangeRule(
        RuleText(
            "DR085",
            "An import never uses an identifier twice",
            "error",
            "The network knows a participant by identifier and namespace for ever; after a crash between party move "
            "and contract import, another fresh identifier is needed too.",
            "Splice documentation, Validator Disaster Recovery",
        ),
        identifier_is_new,
    ),
    ChangeRule(
        RuleText(
            "DR086",
            "A recovery point does not get longer unseen",
            "warning",
            "Less frequent captures are a decision about how much may be lost.",
            "promise of this project: every schedule declares its recovery point",
        ),
        promise_grows_no_worse,
    ),
)
