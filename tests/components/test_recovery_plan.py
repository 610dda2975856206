from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from catalyx_dr.adapters.volume_snapshots import FoundSnapshot
from catalyx_dr.model.backup_set import DatabaseCapture, Manifest
from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.environment_spec import IdentityImportRequest, RestoreRequest, VerdictOverride
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.record import RecordKind, RecordStatus
from catalyx_dr.model.snapshot_set import DatabaseState, SnapshotCapture, SnapshotManifest, SourceClaim
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.rules.ownership import MANIFEST_DIGEST
from catalyx_dr.rules.restore_preflight import OriginalFacts
from catalyx_dr.rules.snapshot_preflight import CopyFacts
from components.recovery_plan import Seen, plan_import, plan_restore
from tests.components.records import MemoryRecords, captured, record
from tests.components.rendering import NOW
from tests.components.specs import snapshotted_spec, validator_spec

SPEC = validator_spec()
HOURS = {hours: NOW - timedelta(hours=hours) for hours in (1, 3, 6, 26 * 24, 31 * 24)}
SETS = MemoryRecords(
    [
        captured(RecordKind.BACKUP_SET, HOURS[1], status=RecordStatus.FAILED),
        captured(RecordKind.BACKUP_SET, HOURS[3], "volume"),
        captured(RecordKind.BACKUP_SET, HOURS[6], "volume", "bucket"),
        captured(RecordKind.BACKUP_SET, HOURS[26 * 24], "volume"),
        captured(RecordKind.BACKUP_SET, HOURS[31 * 24], "volume"),
        captured(RecordKind.IDENTITY_DUMP, HOURS[6], "cluster"),
    ]
)
DUMP = capture_id(HOURS[6])


def restore(selector: str = "latest", source: str = "volume", request_id: str = "r1") -> RestoreRequest:
    return RestoreRequest(
        validator="acme",
        set=selector,
        request_id=request_id,
        source=source,
        age_identity=SecretKey(name="age", key="identity") if source == "bucket" else None,
    )


def identity_import(identifier: str = "acme-2", selector: str = "latest") -> IdentityImportRequest:
    return IdentityImportRequest(
        validator="acme", dump=selector, request_id="i1", new_participant_identifier=identifier
    )


def test_latest_is_the_newest_proven_set_at_its_source() -> None:
    assert plan_restore(SPEC, restore(), SETS, NOW).capture == capture_id(HOURS[3])
    assert plan_restore(SPEC, restore(source="bucket"), SETS, NOW).capture == capture_id(HOURS[6])


def test_preview_names_set_age_and_what_is_scaled_down() -> None:
    note, passed, left = plan_restore(SPEC, restore(), SETS, NOW).notes
    assert f"set {capture_id(HOURS[3])}, taken 2026-03-01 09:30:00 UTC, 3h old" in note
    assert "deployment/validator-app, deployment/participant are scaled down" in note
    assert passed.startswith("preflight r1: pass: set-proven (")
    assert left == (
        "preflight r1: left to the Job: set-of-this-validator, set-order, synchronizer-upgrade, party-place, "
        "database-servers, "
        "versions, canton-version, database-rights, space, workloads, permissions, way-back"
    )


def test_preview_refuses_what_the_job_would_refuse_unless_it_is_overridden() -> None:
    seen = Seen(missing_workloads=lambda: ("deployment/participant",))
    with pytest.raises(RefusedError, match="workloads: deployment/participant: not in namespace canton"):
        plan_restore(SPEC, restore(), SETS, NOW, seen)

    old = restore(capture_id(HOURS[31 * 24]))
    reason = VerdictOverride(verdict="set-age", reason="this network keeps 90 days")
    plan = plan_restore(SPEC, old.model_copy(update={"overrides": (reason,)}), SETS, NOW)
    assert any("set-age: 31d old" in one and "(overridden: this network keeps 90 days)" in one for one in plan.warnings)

    never = VerdictOverride(verdict="permissions", reason="it will work out")
    with pytest.raises(RefusedError, match="'permissions' may never be overridden"):
        plan_restore(SPEC, old.model_copy(update={"overrides": (never,)}), SETS, NOW)


def test_bucket_that_can_be_listed_from_here_replaces_lost_records() -> None:
    manifest = manifest_of(HOURS[3], namespace="elsewhere")
    running = OriginalFacts(replaced_here=False, running="namespace elsewhere: deployment/participant")
    seen = Seen(manifests=lambda: (manifest,))

    plan = plan_restore(SPEC, restore(source="bucket"), MemoryRecords(), NOW, seen)

    assert plan.capture == manifest.set_id
    assert "set-order (app at offset 200" in plan.notes[1]
    with pytest.raises(RefusedError, match=r"original-stopped: .* runs at namespace elsewhere"):
        plan_restore(SPEC, restore(source="bucket"), MemoryRecords(), NOW, replace(seen, running=lambda _: running))


def manifest_of(started: datetime, **changes: Any) -> Manifest:
    """Manifest of a set of the validator."""
    captures = [
        DatabaseCapture(
            role=role,
            database=role,
            server_version="17.6",
            client_version="17.6",
            started=started + timedelta(minutes=place),
            completed=started + timedelta(minutes=place),
            database_bytes=1,
            ledger_offset=200,
            row_counts={},
            files=(),
        )
        for place, role in enumerate(DatabaseRole)
    ]
    fields: dict[str, Any] = {
        "set_id": capture_id(started),
        "validator": "acme",
        "namespace": "canton",
        "party_hint": "acme-validator-1",
        "participant_id": f"PAR::acme::1220{'ab' * 32}",
        "migration_id": 0,
        "databases": tuple(captures),
        "tool_version": "0",
    }
    return Manifest(**(fields | changes))


@pytest.mark.parametrize("selector", ["20200101t000000z", capture_id(HOURS[1])])
def test_unknown_or_unproven_set_is_refused_with_what_there_is(selector: str) -> None:
    with pytest.raises(RefusedError, match=f"{selector}.*available: {capture_id(HOURS[3])}"):
        plan_restore(SPEC, restore(selector), SETS, NOW)


def test_set_that_its_participant_could_not_catch_up_from_is_refused() -> None:
    with pytest.raises(RefusedError, match="31d old; sequencers keep 30 days"):
        plan_restore(SPEC, restore(capture_id(HOURS[31 * 24])), SETS, NOW)
    warnings = plan_restore(SPEC, restore(capture_id(HOURS[26 * 24])), SETS, NOW).warnings
    assert any(one.startswith("set-age: 26d old, usable until") for one in warnings)


def test_bucket_is_asked_by_the_job_when_the_namespace_knows_nothing() -> None:
    plan = plan_restore(SPEC, restore(source="bucket"), MemoryRecords(), NOW)
    assert plan.capture == "latest"
    assert "the Job will look in the bucket itself" in plan.warnings[0]
    plan = plan_restore(SPEC, restore(source="volume"), MemoryRecords(), NOW)
    assert "the Job will look in the volume itself" in plan.warnings[0]


def test_bucket_that_refuses_its_access_key_is_told_of_in_the_preview() -> None:
    def refuse() -> tuple[Manifest, ...]:
        raise RefusedError("could not list in bucket 'b': InvalidAccessKeyId")

    plan = plan_restore(SPEC, restore(source="bucket"), MemoryRecords(), NOW, Seen(manifests=refuse))

    assert plan.capture == "latest"
    assert (
        "from here the bucket could not be asked: could not list in bucket 'b': InvalidAccessKeyId" in plan.warnings[0]
    )


def test_completed_request_does_nothing_and_keeps_the_set_that_latest_was() -> None:
    done = record(RecordKind.RESTORE, "r1", NOW, set=capture_id(HOURS[6]))
    plan = plan_restore(SPEC, restore(), MemoryRecords([*SETS.list(), done]), NOW)
    assert plan.done
    assert plan.capture == capture_id(HOURS[6])
    assert plan.notes == ()


def test_request_that_was_cut_off_goes_on_with_its_set() -> None:
    cut_off = record(RecordKind.RESTORE, "r1", NOW, RecordStatus.RUNNING, set=capture_id(HOURS[6]))
    assert plan_restore(SPEC, restore(), MemoryRecords([*SETS.list(), cut_off]), NOW).capture == capture_id(HOURS[6])


@pytest.mark.parametrize("status", [RecordStatus.COMPLETED, RecordStatus.FAILED])
def test_request_id_never_stands_for_another_set(status: RecordStatus) -> None:
    earlier = record(RecordKind.RESTORE, "r1", NOW, status, set=capture_id(HOURS[6]))
    with pytest.raises(RefusedError, match="requestId 'r1' was used for set"):
        plan_restore(SPEC, restore(capture_id(HOURS[3])), MemoryRecords([*SETS.list(), earlier]), NOW)


def test_request_id_never_stands_for_a_moment_before_its_set() -> None:
    done = MemoryRecords([*SETS.list(), record(RecordKind.RESTORE, "r1", NOW, set=capture_id(HOURS[6]))])
    assert plan_restore(SPEC, restore(f"latest before {HOURS[3].isoformat()}"), done, NOW).done
    with pytest.raises(RefusedError, match="requestId 'r1' was used for set"):
        plan_restore(SPEC, restore(f"latest before {HOURS[6].isoformat()}"), done, NOW)


def test_import_names_dump_and_new_participant() -> None:
    plan = plan_import(SPEC, identity_import(), SETS, NOW)
    assert plan.capture == DUMP
    assert "scaled up as participant 'acme-2'" in plan.notes[0]


def test_identifier_of_an_import_that_reached_the_network_is_burnt() -> None:
    burnt = record(
        RecordKind.IDENTITY_IMPORT,
        "i0",
        NOW,
        RecordStatus.FAILED,
        newParticipantIdentifier="acme-2",
        identifierUsed=True,
    )
    with pytest.raises(RefusedError, match="used before: identity import i0"):
        plan_import(SPEC, identity_import(), MemoryRecords([*SETS.list(), burnt]), NOW)


def test_import_that_reached_the_network_may_be_proven_by_its_own_request() -> None:
    again = record(
        RecordKind.IDENTITY_IMPORT,
        "i1",
        NOW,
        RecordStatus.FAILED,
        newParticipantIdentifier="acme-2",
        identifierUsed=True,
        dump=DUMP,
    )
    records = MemoryRecords([*SETS.list(), again])
    assert plan_import(SPEC, identity_import(), records, NOW).capture == DUMP
    with pytest.raises(RefusedError, match="was used for newParticipantIdentifier 'acme-2'"):
        plan_import(SPEC, identity_import("acme-3"), records, NOW)


def test_participant_identifier_that_a_dump_or_set_knows_is_refused() -> None:
    participant = f"PAR::acme-2::1220{'ab' * 32}"
    used = record(RecordKind.BACKUP_SET, capture_id(NOW), NOW, locations=("volume",), participantId=participant)
    with pytest.raises(RefusedError, match="'acme-2' was used before: backup-set"):
        plan_import(SPEC, identity_import(), MemoryRecords([*SETS.list(), used]), NOW)
    dumped = record(
        RecordKind.IDENTITY_DUMP, capture_id(NOW), NOW, locations=("cluster",), metadata={"participantId": participant}
    )
    with pytest.raises(RefusedError, match="identity-dump"):
        plan_import(SPEC, identity_import(), MemoryRecords([dumped]), NOW)


SNAPSHOTTED = snapshotted_spec()


def snapshots_of(started: datetime, ready: bool = True, **changes: Any) -> FoundSnapshot:
    """The one VolumeSnapshot of a set of both databases."""
    taken = SnapshotCapture(
        name=f"acme-{capture_id(started)}-databases",
        claim="pg-data-postgres-0",
        stateful_set="postgres",
        roles=tuple(DatabaseRole),
        asked=started,
        taken=started,
        ready=started,
        restore_size=Quantity.parse("2Gi"),
        source=SourceClaim(storage_class="csi", access_modes=("ReadWriteOnce",), size=Quantity.parse("2Gi")),
    )
    states = tuple(
        DatabaseState(
            role=role, database=role, server_version="17.6", database_bytes=1, ledger_offset=200, filled_tables=()
        )
        for role in DatabaseRole
    )
    fields: dict[str, Any] = {
        "set_id": capture_id(started),
        "validator": "acme",
        "namespace": "canton",
        "party_hint": "acme-validator-1",
        "participant_id": None,
        "migration_id": 0,
        "databases": states,
        "snapshots": (taken,),
        "tool_version": "0",
    }
    manifest = SnapshotManifest(**(fields | changes))
    return FoundSnapshot(taken.name, manifest.set_id, ready, started, taken.restore_size, manifest, None)


def test_snapshots_are_chosen_as_the_job_does_and_judged_before_anything_is_made() -> None:
    asked: list[Mapping[str, SnapshotCapture]] = []

    def copies(wanted: Mapping[str, SnapshotCapture]) -> CopyFacts:
        asked.append(wanted)
        return CopyFacts(missing_classes=(), claims="", servers="")

    seen = Seen(snapshots=lambda: [snapshots_of(HOURS[1], ready=False), snapshots_of(HOURS[3])], copies=copies)

    plan = plan_restore(SNAPSHOTTED, restore(source="snapshot"), MemoryRecords(), NOW, seen)

    assert plan.capture == capture_id(HOURS[3])
    (name,) = asked[0]
    assert name.startswith("acme-restored-databases-")
    note, passed, left = plan.notes
    assert "nothing is stopped or replaced until somebody runs catalyx-dr switch-claims" in note
    assert "storage-class (csi); space (quota and limits of the namespace take new claims: 2 GiB for" in passed
    assert left == "preflight r1: left to the Job: party-place, versions, workloads, permissions"


@pytest.mark.parametrize(
    ("facts", "refused"),
    [
        (CopyFacts(missing_classes=("csi",)), "storage-class: the claims were of class csi"),
        (CopyFacts(claims="exceeded quota: room"), "space: the API server would refuse the new claims: exceeded quota"),
        (CopyFacts(servers="statefulset/postgres is gone"), "throw-away-servers: statefulset/postgres is gone"),
    ],
)
def test_what_the_cluster_would_not_take_is_refused_in_the_preview(facts: CopyFacts, refused: str) -> None:
    seen = Seen(snapshots=lambda: [snapshots_of(HOURS[3])], copies=lambda _wanted: facts)
    with pytest.raises(RefusedError, match=refused):
        plan_restore(SNAPSHOTTED, restore(source="snapshot"), MemoryRecords(), NOW, seen)


def test_snapshots_whose_record_tells_of_another_manifest_or_of_damage_are_not_chosen() -> None:
    older, newest = snapshots_of(HOURS[6]), snapshots_of(HOURS[3])
    seen = Seen(snapshots=lambda: [older, newest])
    changed = captured(RecordKind.BACKUP_SET, HOURS[3], "snapshot")
    changed = changed.model_copy(update={"details": {MANIFEST_DIGEST: "another"}})
    damaged = changed.model_copy(update={"details": {}, "damaged": {"snapshot": "a drill could not restore it"}})
    for told in (changed, damaged):
        plan = plan_restore(SNAPSHOTTED, restore(source="snapshot"), MemoryRecords([told]), NOW, seen)
        assert plan.capture == capture_id(HOURS[6])


def test_records_tell_of_snapshots_that_may_not_be_listed() -> None:
    records = MemoryRecords([captured(RecordKind.BACKUP_SET, HOURS[3], "snapshot")])
    plan = plan_restore(SNAPSHOTTED, restore(source="snapshot"), records, NOW)
    assert plan.capture == capture_id(HOURS[3])
    assert (
        "left to the Job: set-of-this-validator, set-order, synchronizer-upgrade, party-place, storage-class"
        in plan.notes[2]
    )
