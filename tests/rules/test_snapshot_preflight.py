"""Verdicts on a restore from snapshots."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.snapshot_set import SnapshotManifest
from catalyx_dr.model.target import SpliceHelmTarget, Workload
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.restore_preflight import RESTORE_CHECKS, OriginalFacts, RestoreFacts, SetFacts, UpgradeFacts
from catalyx_dr.rules.snapshot_preflight import SNAPSHOT_CHECKS, CopyFacts, restore_checks, snapshot_verdicts
from tests.rules.test_snapshot_order import NOW, databases, manifest

SET = manifest(NOW, NOW, 200, 200).model_copy(update={"participant_id": f"PAR::acme::1220{'ab' * 32}"})
COPIES = CopyFacts(missing_classes=(), claims="", servers="", majors=dict.fromkeys(DatabaseRole, 17))


def facts(chosen: SnapshotManifest = SET, **changes: Any) -> RestoreFacts:
    spec = ValidatorSpec(
        name="acme",
        namespace="canton",
        party_hint="acme-validator-1",
        node_identifier="acme-validator-1",
        databases=databases("pg-data"),
        target=SpliceHelmTarget(scan_url="http://scan:5012"),
        workloads=(Workload(name="validator-app"),),
    )
    found = RestoreFacts(
        spec=spec,
        now=NOW + timedelta(days=1),
        chosen=SetFacts(chosen.set_id, "snapshot", snapshots=chosen),
        upgrade=UpgradeFacts(serial=3),
        hosted_by=chosen.participant_id,
        dumps_known=True,
        dump_taken=NOW,
        original=OriginalFacts(replaced_here=True),
        missing_workloads=(),
        denied=(),
    )
    return replace(found, **changes)


def outcomes(found: RestoreFacts, copies: CopyFacts = COPIES) -> dict[str, str]:
    return {one.name: str(one.outcome) for one in snapshot_verdicts(found, copies)}


def test_every_verdict_passes_in_its_order_when_all_is_well() -> None:
    assert list(outcomes(facts()).items()) == [(name, "pass") for name in SNAPSHOT_CHECKS]


def test_each_source_has_verdicts_of_its_own() -> None:
    assert restore_checks("snapshot") is SNAPSHOT_CHECKS
    assert restore_checks("volume") is restore_checks("bucket") is RESTORE_CHECKS


@pytest.mark.parametrize(
    ("name", "found", "copies"),
    [
        ("set-of-this-validator", facts(SET.model_copy(update={"party_hint": "acme-other-1"})), COPIES),
        ("set-age", facts(now=NOW + timedelta(days=31)), COPIES),
        ("set-order", facts(manifest(NOW, NOW, 201, 200)), COPIES),
        ("synchronizer-upgrade", facts(SET.model_copy(update={"migration_id": 1})), COPIES),
        ("synchronizer-upgrade", facts(SET.model_copy(update={"synchronizer_serial": 2})), COPIES),
        ("party-place", facts(hosted_by=f"PAR::acme-2::1220{'ab' * 32}"), COPIES),
        ("original-stopped", facts(original=OriginalFacts(False, running="namespace old")), COPIES),
        ("workloads", facts(missing_workloads=("deployment/validator-app",)), COPIES),
        ("permissions", facts(denied=("create pods",)), COPIES),
        ("storage-class", facts(), replace(COPIES, missing_classes=("standard",))),
        ("space", facts(), replace(COPIES, claims="exceeded quota: room")),
        ("throw-away-servers", facts(), replace(COPIES, servers="violates PodSecurity")),
        ("versions", facts(), replace(COPIES, majors={DatabaseRole.PARTICIPANT: 18})),
    ],
)
def test_one_thing_that_is_wrong_is_one_refusal(name: str, found: RestoreFacts, copies: CopyFacts) -> None:
    told = outcomes(found, copies)
    assert {one for one, outcome in told.items() if outcome == "refusal"} == {name}


def test_a_set_that_cannot_be_used_leaves_no_verdict_on_what_it_holds() -> None:
    assert not {"space", "storage-class", "throw-away-servers", "versions"} & set(outcomes(facts(), CopyFacts()))
    gone = replace(facts(), chosen=SetFacts(None, "snapshot", fault="there is no proven backup set"))
    assert outcomes(gone)["set-proven"] == "refusal"
    assert not {"set-order", "space", "versions", "way-back"} & set(outcomes(gone))
