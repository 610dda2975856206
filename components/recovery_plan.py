"""What a requested recovery will do, found out read-only, so that a review sees it before anything is registered."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from catalyx_dr.adapters import volume_snapshots
from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.adapters.volume_snapshots import FoundSnapshot
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.capture_id import captured_at, is_capture_id
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.environment_spec import IdentityImportRequest, RecoveryRequest, RestoreRequest
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import READ_SET, Record, RecordKind, RecordStatus
from catalyx_dr.model.selector import may_mean
from catalyx_dr.model.snapshot_set import SnapshotCapture
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.identity import how_applied, metadata_of
from catalyx_dr.rules.identity_history import (
    IDENTIFIER_USED,
    NEW_IDENTIFIER,
    identifiers_of_dumps,
    identifiers_of_records,
    latest_participant,
    unproven_imports,
)
from catalyx_dr.rules.identity_preflight import IMPORT_CHECKS, ImportFacts, TargetFacts, import_verdicts
from catalyx_dr.rules.recovery import choose, recorded_captures
from catalyx_dr.rules.restore_preflight import (
    RESTORE_CHECKS,
    OriginalFacts,
    RestoreFacts,
    SetFacts,
    restore_verdicts,
)
from catalyx_dr.rules.snapshot_preflight import SNAPSHOT_CHECKS, CopyFacts, snapshot_verdicts
from catalyx_dr.rules.verdict import Checks, Outcome, Verdict, overridden, require
from dynamic_providers.cluster_job import different


@dataclass(frozen=True)
class Seen:
    """Looks at the cluster when asked, without the databases; None where it cannot be looked up."""

    missing_workloads: Callable[[], tuple[str, ...] | None] = lambda: None
    denied: Callable[[], tuple[str, ...] | None] = lambda: None
    running: Callable[[str], OriginalFacts | None] = lambda _namespace: None
    manifests: Callable[[], Sequence[Manifest]] = tuple
    dumps: Callable[[], Sequence[IdentityDumpMetadata]] = tuple
    resource: Callable[[], bool | None] = lambda: None
    snapshots: Callable[[], Sequence[FoundSnapshot] | None] = lambda: None
    copies: Callable[[Mapping[str, SnapshotCapture]], CopyFacts] = lambda _wanted: CopyFacts()


_NOTHING_SEEN = Seen()
Found = TypeVar("Found", Manifest, IdentityDumpMetadata)


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


def plan_restore(
    spec: ValidatorSpec, request: RestoreRequest, records: RecordStore, now: datetime, seen: Seen = _NOTHING_SEEN
) -> RecoveryPlan:
    """Find the set and judge what can be seen; raises RefusedError when the Job would refuse it for certain."""
    earlier = records.find(RecordKind.RESTORE, spec.name, request.request_id)
    known = _earlier_capture(earlier, READ_SET, request.set)
    if earlier is not None and earlier.status is RecordStatus.COMPLETED:
        return RecoveryPlan(known or request.set, done=True)
    history = records.list(spec.name)
    if request.source == "snapshot":
        return _plan_from_snapshots(spec, request, known or request.set, history, now, seen)
    captures = [record for record in history if record.kind is RecordKind.BACKUP_SET]
    in_bucket, fault = _asked(seen.manifests) if request.source == "bucket" and not captures else ((), "")
    manifests = {one.set_id: one for one in in_bucket}
    plan = _resolve(captures, manifests, fault, known or request.set, request, "backup set")
    if plan.taken is None:
        return plan
    manifest = manifests.get(plan.capture)
    chosen = SetFacts(plan.capture, request.source, manifest)
    original = OriginalFacts(replaced_here=True) if manifest is None else seen.running(manifest.namespace)
    facts = replace(_facts(spec, chosen, history, now, seen), in_place=request.in_place, original=original)
    return _judged(plan, restore_verdicts(facts), request, RESTORE_CHECKS, (restore_note(spec, request, plan, now),))


def _plan_from_snapshots(
    spec: ValidatorSpec,
    request: RestoreRequest,
    selector: str,
    history: Sequence[Record],
    now: datetime,
    seen: Seen,
) -> RecoveryPlan:
    """Choose among the snapshots themselves, as the Job does; among the records where they may not be listed."""
    found = seen.snapshots()
    sets = [record for record in history if record.kind is RecordKind.BACKUP_SET]
    if found is None:
        plan = _resolve(sets, (), "", selector, request, "backup set")
    else:
        plan = RecoveryPlan(choose(volume_snapshots.captures(spec, found, sets), selector).identifier)
    if plan.taken is None:
        return plan
    manifests = {one.set_id: one for one in volume_snapshots.usable(spec, found or (), sets)}
    manifest = manifests.get(plan.capture)
    copies, original = CopyFacts(), OriginalFacts(replaced_here=True)
    if manifest is not None:
        names = ObjectNames.of(spec)
        copies = seen.copies({names.restored(request.request_id, one.part): one for one in manifest.snapshots})
        if manifest.namespace != spec.namespace:
            original = seen.running(manifest.namespace) or original
    chosen = SetFacts(plan.capture, request.source, snapshots=manifest)
    facts = replace(_facts(spec, chosen, history, now, seen), original=original)
    note = restore_note(spec, request, plan, now)
    return _judged(plan, snapshot_verdicts(facts, copies), request, SNAPSHOT_CHECKS, (note,))


def _facts(spec: ValidatorSpec, chosen: SetFacts, history: Sequence[Record], now: datetime, seen: Seen) -> RestoreFacts:
    """What every preview of a restore sees."""
    dumps = [one.started for one in history if _is_dump(one)]
    return RestoreFacts(
        spec=spec,
        now=now,
        chosen=chosen,
        dumps_known=True,
        dump_taken=max(dumps, default=None),
        missing_workloads=seen.missing_workloads(),
        denied=seen.denied(),
    )


def plan_import(
    spec: ValidatorSpec,
    request: IdentityImportRequest,
    records: RecordStore,
    now: datetime,
    seen: Seen = _NOTHING_SEEN,
) -> RecoveryPlan:
    """Find the dump and judge what can be seen; raises RefusedError when the Job would refuse it for certain."""
    earlier = records.find(RecordKind.IDENTITY_IMPORT, spec.name, request.request_id)
    known = _earlier_capture(earlier, "dump", request.dump)
    identifier = earlier.details.get(NEW_IDENTIFIER) if earlier else None
    if earlier is not None and identifier not in (None, request.new_participant_identifier):
        raise different("newParticipantIdentifier", earlier, identifier, request.new_participant_identifier)
    if earlier is not None and earlier.status is RecordStatus.COMPLETED:
        return RecoveryPlan(known or request.dump, done=True)
    history = records.list(spec.name)
    captures = [record for record in history if record.kind is RecordKind.IDENTITY_DUMP]
    in_bucket, fault = _asked(seen.dumps) if request.source == "bucket" and not captures else ((), "")
    listed = {one.dump_id: one for one in in_bucket}
    plan = _resolve(captures, listed, fault, known or request.dump, request, "identity dump")
    note = (import_note(spec, request, plan, now),)
    if earlier is not None and earlier.details.get(IDENTIFIER_USED):
        return RecoveryPlan(plan.capture, warnings=plan.warnings, notes=note)
    known_dumps = {one.identifier: metadata for one in captures if (metadata := metadata_of(one))} | listed
    metadata = known_dumps.get(plan.capture)
    facts = ImportFacts(
        spec=spec,
        new_identifier=request.new_participant_identifier,
        metadata=metadata,
        used_identifiers={**identifiers_of_dumps(known_dumps.values()), **identifiers_of_records(history)},
        latest_participant_id=latest_participant(history, known_dumps.values()),
        unproven_imports=unproven_imports(history, metadata) if metadata else (),
        moved_to=request.moved_to,
        target=TargetFacts(how_applied(spec, request.apply), seen.resource()),
        now=now,
        missing_workloads=seen.missing_workloads(),
        denied=seen.denied(),
    )
    return _judged(plan, import_verdicts(facts), request, IMPORT_CHECKS, note)


def _is_dump(record: Record) -> bool:
    return record.kind is RecordKind.IDENTITY_DUMP and record.status is RecordStatus.COMPLETED


def _judged(
    plan: RecoveryPlan,
    verdicts: tuple[Verdict, ...],
    request: RecoveryRequest,
    checks: Checks,
    notes: tuple[str, ...],
) -> RecoveryPlan:
    """The plan with every verdict that is made here, and the names of those that are left to the Job."""
    judged = overridden(verdicts, request.overrides, checks)
    require(judged)
    passed = [f"{one.name} ({one.found})" for one in judged if one.outcome is Outcome.PASS]
    left = [name for name in checks if name not in {one.name for one in judged}]
    told = f"preflight {request.request_id}: pass: {'; '.join(passed) or 'nothing'}"
    by_the_job = (f"preflight {request.request_id}: left to the Job: {', '.join(left)}",) if left else ()
    warnings = tuple(str(one).removeprefix("warning: ") for one in judged if one.outcome is Outcome.WARNING)
    return RecoveryPlan(plan.capture, warnings=(*plan.warnings, *warnings), notes=(*notes, told, *by_the_job))


def restore_note(spec: ValidatorSpec, request: RestoreRequest, plan: RecoveryPlan, now: datetime) -> str:
    """What a person reads in the preview of a restore."""
    if request.source == "snapshot":
        return (
            f"restore {request.request_id}: {_named('set', plan, now)}, from snapshots; it is restored into new claims "
            "and proven on throw-away servers beside the present ones, which run on: nothing is stopped or replaced "
            "until somebody runs catalyx-dr switch-claims"
        )
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
    if how_applied(spec, request.apply) != "print":
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
    if not may_mean(selector, capture):
        raise different(name, earlier, capture, selector)
    return capture


def _asked(ask: Callable[[], Sequence[Found]]) -> tuple[Sequence[Found], str]:
    """What the bucket lists, and why it could not be asked."""
    try:
        return ask(), ""
    except CatalyxDrError as error:
        return (), str(error)


def _resolve(
    records: Iterable[Record],
    listed: Iterable[str],
    fault: str,
    selector: str,
    request: RecoveryRequest,
    kind: str,
) -> RecoveryPlan:
    """Choose among the records, else among what the bucket lists: a namespace may be new, the bucket all there is.

    `fault`: why the bucket could not be asked from here.
    """
    captures = recorded_captures(records, request.source) or [Capture.named(identifier) for identifier in listed]
    try:
        return RecoveryPlan(choose(captures, selector, kind=kind).identifier)
    except RefusedError as error:
        if (captures and request.source != "bucket") or request.source == "cluster":
            raise
        # The volume or bucket may hold what no record tells of: the Job looks there, and refuses by itself.
        told = f"{error}; from here the bucket could not be asked: {fault}" if fault else str(error)
        return RecoveryPlan(selector, warnings=(f"{told}; the Job will look in the {request.source} itself",))
