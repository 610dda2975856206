"""What a requested recovery will do, found out read-only, so that a review sees it before anything is registered."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.capture_id import captured_at, is_capture_id
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.environment_spec import IdentityImportRequest, RecoveryRequest, RestoreRequest
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import SpliceHelmTarget, ValidatorSpec
from catalyx_dr.rules.identity import identifier_of
from catalyx_dr.rules.recovery import LATEST, age_verdict, choose
from catalyx_dr.rules.verdict import Outcome
from dynamic_providers.cluster_job import different


@dataclass(frozen=True)
class RecoveryPlan:
    """`capture`: id of the set or dump, or `latest` where it could not be looked up; `done`: nothing will happen."""

    capture: str
    done: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def taken(self) -> datetime | None:
        """When the capture was taken, in UTC; None while it is not known which one it is."""
        return captured_at(self.capture) if is_capture_id(self.capture) else None


def plan_restore(spec: ValidatorSpec, request: RestoreRequest, records: RecordStore, now: datetime) -> RecoveryPlan:
    """Find the set; raises RefusedError when there is none, it is too old, or the request id stands for another one."""
    earlier = records.find(RecordKind.RESTORE, spec.name, request.request_id)
    known = _earlier_capture(earlier, "set", request.set)
    if earlier is not None and earlier.status is RecordStatus.COMPLETED:
        return RecoveryPlan(known or request.set, done=True)
    captures = records.list(spec.name, RecordKind.BACKUP_SET)
    plan = _resolve(captures, known or request.set, request, "backup set")
    if plan.taken is None:
        return plan
    age = age_verdict(plan.taken, now)
    if age.outcome is Outcome.REFUSAL:
        raise RefusedError(f"set {plan.capture}: {age.found}; {age.remedy}")
    old = (f"set {plan.capture}: {age.found}; {age.remedy}",) if age.outcome is Outcome.WARNING else ()
    return RecoveryPlan(plan.capture, warnings=(*plan.warnings, *old), notes=(restore_note(spec, request, plan, now),))


def plan_import(
    spec: ValidatorSpec, request: IdentityImportRequest, records: RecordStore, now: datetime
) -> RecoveryPlan:
    """Find the dump; raises RefusedError when there is none, or when id or identifier were used for something else."""
    earlier = records.find(RecordKind.IDENTITY_IMPORT, spec.name, request.request_id)
    known = _earlier_capture(earlier, "dump", request.dump)
    identifier = earlier.details.get("newParticipantIdentifier") if earlier else None
    if earlier is not None and identifier not in (None, request.new_participant_identifier):
        raise different("newParticipantIdentifier", earlier, identifier, request.new_participant_identifier)
    if earlier is not None and earlier.status is RecordStatus.COMPLETED:
        return RecoveryPlan(known or request.dump, done=True)
    history = records.list(spec.name)
    if earlier is None or not earlier.details.get("identifierUsed"):
        _check_identifier_unused(request, history)
    captures = [record for record in history if record.kind is RecordKind.IDENTITY_DUMP]
    plan = _resolve(captures, known or request.dump, request, "identity dump")
    return RecoveryPlan(plan.capture, warnings=plan.warnings, notes=(import_note(spec, request, plan, now),))


def restore_note(spec: ValidatorSpec, request: RestoreRequest, plan: RecoveryPlan, now: datetime) -> str:
    """What a person reads in the preview of a restore."""
    return (
        f"restore {request.request_id}: {_named('set', plan, now)}, from the {request.source}; it is loaded and proven "
        f"beside the present databases, then {stopped(spec)} are scaled down, the databases swapped by renaming, and "
        f"the workloads scaled up; what is replaced stays {format_duration(spec.replaced_databases_keep)}"
    )


def import_note(spec: ValidatorSpec, request: IdentityImportRequest, plan: RecoveryPlan, now: datetime) -> str:
    """What a person reads in the preview of an identity import."""
    head = f"identity import {request.request_id}: {_named('dump', plan, now)}, from the {request.source}"
    head = f"{head}; {stopped(spec)} are scaled down, the databases set aside for fresh ones, and"
    start = f"scaled up as participant {request.new_participant_identifier!r}"
    if request.apply == "workload" and isinstance(spec.target, SpliceHelmTarget):
        return f"{head} the validator {start}"
    return f"{head} the Job waits up to 4h until you have set the values that the stack puts out; then all is {start}"


def stopped(spec: ValidatorSpec) -> str:
    """The workloads that a recovery scales down."""
    return ", ".join(str(workload) for workload in spec.workloads)


def _named(what: str, plan: RecoveryPlan, now: datetime) -> str:
    if plan.taken is None:
        return f"the {plan.capture} {what} (not looked up)"
    minutes = max(0, (now - plan.taken) // timedelta(minutes=1))
    age = format_duration(timedelta(minutes=minutes)) if minutes else "less than a minute"
    return f"{what} {plan.capture}, taken {plan.taken.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {age} old"


def _earlier_capture(earlier: Record | None, name: str, selector: str) -> str | None:
    """Capture that an earlier run of this request settled on; raises RefusedError when the selector names another."""
    capture = earlier.details.get(name) if earlier else None
    if earlier is None or not isinstance(capture, str):
        return None
    if selector not in (LATEST, capture):
        raise different(name, earlier, capture, selector)
    return capture


def _resolve(records: Iterable[Record], selector: str, request: RecoveryRequest, kind: str) -> RecoveryPlan:
    captures = [
        Capture.named(record.identifier, proven=record.is_sound_in(request.source), size=record.bytes)
        for record in records
        if request.source in record.locations or record.status is not RecordStatus.COMPLETED
    ]
    try:
        return RecoveryPlan(choose(captures, selector, kind=kind).identifier)
    except RefusedError as error:
        if request.source != "bucket":
            raise
        # The namespace may be new and the bucket all there is: the Job looks there itself, and refuses by itself.
        return RecoveryPlan(selector, warnings=(f"{error}; the Job will look in the bucket itself",))


def _check_identifier_unused(request: IdentityImportRequest, history: Iterable[Record]) -> None:
    for record in history:
        for where, identifier in _identifiers(record):
            if identifier == request.new_participant_identifier:
                raise RefusedError(
                    f"newParticipantIdentifier {identifier!r} was used before: {where}; an identifier works once, so "
                    "choose one that was never used"
                )


def _identifiers(record: Record) -> Iterable[tuple[str, str]]:
    if record.kind is RecordKind.IDENTITY_IMPORT:
        burnt = record.details.get("newParticipantIdentifier")
        if record.details.get("identifierUsed") and isinstance(burnt, str):
            yield f"identity import {record.identifier}", burnt
        return
    metadata = record.details.get("metadata")
    holder = metadata if isinstance(metadata, dict) else record.details
    found = holder.get("participantId")
    if isinstance(found, str) and found.count("::") == 2:
        yield f"{record.kind} {record.identifier} is of {found}", identifier_of(found)
