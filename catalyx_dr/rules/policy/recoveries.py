"""Recoveries that a stack asks for: possible, unambiguous, and with an identifier never used (domain 1.1, 1.4)."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from catalyx_dr.model.capture_id import captured_at, is_capture_id
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.environment_spec import EnvironmentSpec, RecoveryRequest, RestoreRequest
from catalyx_dr.model.selector import Selection
from catalyx_dr.model.target import SpliceHelmTarget
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.identity_preflight import IMPORT_CHECKS
from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule
from catalyx_dr.rules.recovery import USABLE_FOR
from catalyx_dr.rules.snapshot_preflight import restore_checks
from catalyx_dr.rules.verdict import Checks, override_fault


@rule(
    "DR060",
    "A new participant identifier was never used",
    severity="error",
    why="The network knows a participant by identifier and namespace for ever. An identifier works once; "
    "nodeIdentifier is the one the validator had before the import.",
    source="Splice documentation, Validator Disaster Recovery; vendor guide, Restore Validator from Identity Dump",
)
def unused_identifier(stack: Stack) -> Iterator[Found]:
    """Report an identifier that a validator of the stack has or had."""
    request = stack.spec.identity_import
    if request is None:
        return
    for path, validator in stack.validators():
        for name, used in (("nodeIdentifier", validator.node_identifier), ("partyHint", validator.party_hint)):
            if request.new_participant_identifier == used:
                yield Found(
                    Severity.ERROR,
                    "identityImport.newParticipantIdentifier",
                    request.validator,
                    f"{used!r} was used before: it is {path}.{name}",
                    "choose one that was never used, for example with a number or a date at its end; nodeIdentifier "
                    "stays the old one until the import is done",
                )
                return


@rule(
    "DR061",
    "After an import the stack names the new identifier",
    severity="warning",
    why="Splice refuses to start unless nodeIdentifier equals newParticipantIdentifier, in all later restarts too. The "
    "vendor's custom resource keeps its node identifier: the two rules conflict, the target's flavour decides.",
    source="Splice documentation, Validator Disaster Recovery; the vendor's custom resource",
)
def identifier_after_import(stack: Stack) -> Iterator[Found]:
    """Remind of the change that has to follow an import with Splice's charts."""
    request = stack.spec.identity_import
    if request is None:
        return
    validator = stack.spec.validator(request.validator)
    if (
        isinstance(validator.target, SpliceHelmTarget)
        and validator.node_identifier != request.new_participant_identifier
    ):
        yield Found(
            Severity.WARNING,
            f"{_path(stack.spec, validator)}.nodeIdentifier",
            validator.name,
            f"the import makes it {request.new_participant_identifier!r}, this file says {validator.node_identifier!r}",
            f"when the import is done, write nodeIdentifier: {request.new_participant_identifier} and remove the "
            "identityImport block in the same change",
        )


@rule(
    "DR062",
    "A validator is recovered in one way at a time",
    severity="error",
    why="A restore brings back the old participant, an import replaces it. Asked for together, the outcome depends on "
    "which comes first.",
    source="vendor guide, Parts 1.1 and 2.1",
)
def one_recovery_at_a_time(stack: Stack) -> Iterator[Found]:
    """Report a restore and an import of the same validator."""
    restore, identity_import = stack.spec.restore, stack.spec.identity_import
    if restore and identity_import and restore.validator == identity_import.validator:
        yield Found(
            Severity.ERROR,
            "identityImport.validator",
            restore.validator,
            "a restore and an identity import are asked for together",
            "remove the one that is done or not wanted",
        )


@rule(
    "DR063",
    "A recovery's source is declared",
    severity="error",
    why="A job can only read what its validator declares: its volume, its bucket, its Secrets.",
    source="design of this project",
)
def source_declared(stack: Stack) -> Iterator[Found]:
    """Report a source that the validator has not got."""
    requests: list[tuple[str, RecoveryRequest | None]] = [
        ("restore", stack.spec.restore),
        ("identityImport", stack.spec.identity_import),
    ]
    for name, request in requests:
        if request is None:
            continue
        validator = stack.spec.validator(request.validator)
        missing = _missing_source(validator, request)
        if missing:
            yield Found(
                Severity.ERROR,
                f"{name}.source",
                validator.name,
                f"source is {request.source}, but {validator.name} has no {missing}",
                f"add {_path(stack.spec, validator)}.{missing}, or choose another source",
            )


@rule(
    "DR064",
    "A restored set is younger than 30 days",
    severity="error for a moment in the future, else warning",
    why="Sequencers prune what is older; the participant could not catch up. Preflight refuses such a set; a block "
    "that stays in the file after its restore is harmless, and can be removed.",
    source="Splice documentation, Validator Backups",
)
def young_enough(stack: Stack) -> Iterator[Found]:
    """Report a named set, or sets before a named moment, beyond the 30 days or from the future."""
    request = stack.spec.restore
    if request is None:
        return
    before = Selection.parse(request.set).before
    if before is not None:
        yield from _moment_can_be_meant(request, before, stack.now)
    if not is_capture_id(request.set):
        return
    age = stack.now - captured_at(request.set)
    if not timedelta() <= age <= USABLE_FOR:
        future = age < timedelta()
        when = "is from the future" if future else f"is {format_duration(timedelta(days=age.days))} old"
        yield Found(
            Severity.WARNING,
            "restore.set",
            request.validator,
            f"set {request.set} {when}; a set can be restored for {USABLE_FOR.days} days",
            f"choose {'one that history lists' if future else 'a younger set'}, or remove the block when its restore "
            "is done",
        )


def _moment_can_be_meant(request: RestoreRequest, before: datetime, now: datetime) -> Iterator[Found]:
    if before > now:
        yield Found(
            Severity.ERROR,
            "restore.set",
            request.validator,
            f"{request.set!r} names a moment in the future: whatever is newest then would be restored",
            "write latest, or the moment before which all was well",
        )
    elif now - before > USABLE_FOR:
        yield Found(
            Severity.WARNING,
            "restore.set",
            request.validator,
            f"every set of {request.set!r} is older than {USABLE_FOR.days} days, for which a set can be restored",
            "name a later moment, or remove the block when its restore is done",
        )


@rule(
    "DR065",
    "An override names a verdict that may be overridden",
    severity="error",
    why="A refusal of the preflight is overridden by its name and with a reason that the review and the record show. "
    "What would damage the party, or fail when the validator is stopped already, can never be.",
    source="design of this project",
)
def overrides_allowed(stack: Stack) -> Iterator[Found]:
    """Report overrides of verdicts that do not exist or may never be overridden."""
    restore = stack.spec.restore
    asked: list[tuple[str, RecoveryRequest | None, Checks]] = [
        ("restore", restore, restore_checks(restore.source if restore else "volume")),
        ("identityImport", stack.spec.identity_import, IMPORT_CHECKS),
    ]
    for name, request, checks in asked:
        for place, override in enumerate(request.overrides if request else ()):
            fault = override_fault(override.verdict, checks)
            if fault and request:
                yield Found(
                    Severity.ERROR,
                    f"{name}.overrides[{place}].verdict",
                    request.validator,
                    fault,
                    "remove the override, and put right what the verdict found",
                )


def _path(spec: EnvironmentSpec, validator: ValidatorSpec) -> str:
    return f"validators[{spec.validators.index(validator)}]"


def _missing_source(validator: ValidatorSpec, request: RecoveryRequest) -> str | None:
    backup = validator.backup
    if request.source == "volume" and (backup is None or backup.volume is None):
        return "backup.volume"
    if request.source == "snapshot" and (backup is None or backup.snapshot is None):
        return "backup.snapshot"
    if request.source == "bucket" and (backup is None or backup.bucket is None):
        return "backup.bucket"
    if request.source == "cluster" and validator.identity_dump is None:
        return "identityDump"
    return None


RULES = (
    unused_identifier,
    identifier_after_import,
    one_recovery_at_a_time,
    source_declared,
    young_enough,
    overrides_allowed,
)
