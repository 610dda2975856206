"""Preflight of an identity import: each way to get it wrong has a verdict of its own."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyx_dr.model.api_access import ValidatorApi, WalletLogin
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.rules.identity import describe_dump, read_dump
from catalyx_dr.rules.identity_preflight import IMPORT_CHECKS, ImportFacts, TargetFacts, import_verdicts
from catalyx_dr.rules.verdict import Outcome, require
from tests.fixtures_identity import FINGERPRINT, PARTICIPANT, PARTY, declared_spec, make_dump
from tests.rules.test_identity import CUSTOM, KMS_KEYS, OTHER_FINGERPRINT

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def facts(dump: dict[str, Any] | None = None, **changes: Any) -> ImportFacts:
    """An import that nothing speaks against, with `changes`."""
    spec = declared_spec().model_copy(update={"api": ValidatorApi(wallet_login=WalletLogin())})
    content = json.dumps(dump or make_dump()).encode()
    read = read_dump(content)
    lost = ImportFacts(
        spec=spec,
        new_identifier="acme-validator-1b",
        content=content,
        dump=read,
        metadata=describe_dump(spec, read, content, PARTY, NOW - timedelta(hours=6)),
        used_identifiers={},
        present_participant_id=None,
        latest_participant_id=PARTICIPANT,
        unproven_imports=(),
        missing_workloads=(),
        database_obstacles=(),
        answers_now=False,
        login_faults={},
        now=NOW,
        target=TargetFacts("workload"),
        denied=(),
        onboarding_secret=True,
    )
    return replace(lost, **changes)


def outcomes(found: ImportFacts) -> dict[str, Outcome]:
    return {verdict.name: verdict.outcome for verdict in import_verdicts(found)}


def changed_spec(**changes: Any) -> Any:
    return declared_spec().model_copy(update={"api": ValidatorApi(wallet_login=WalletLogin()), **changes})


def test_nothing_but_what_is_always_lost_speaks_against_a_good_import() -> None:
    unusual = {name: outcome for name, outcome in outcomes(facts()).items() if outcome is not Outcome.PASS}
    assert unusual == {"what-does-not-come-back": Outcome.WARNING}


REFUSALS = [
    ("dump-intact", {"content": b"other bytes"}, "choose another dump"),
    ("dump-of-this-validator", {"spec": changed_spec(name="other")}, "of validator 'validator-1'"),
    ("identifier-unused", {"new_identifier": "acme-validator-1"}, "was used before"),
    ("identifier-unused", {"used_identifiers": {"acme-validator-1b": "import r0 used it"}}, "import r0 used it"),
    ("identifier-unused", {"present_participant_id": f"PAR::acme-validator-1b::{FINGERPRINT}"}, "present participant"),
    ("identifier-unused", {"spec": changed_spec(node_identifier="acme-validator-1b")}, "nodeIdentifier"),
    ("identifier-unused", {"moved_to": f"PAR::acme-validator-1b::{FINGERPRINT}"}, "movedTo PAR::acme-validator-1b"),
    (
        "party-place",
        {"latest_participant_id": f"PAR::moved::{FINGERPRINT}"},
        "a dump that was taken of PAR::moved",
    ),
    (
        "party-place",
        {"hosted_by": f"PAR::moved::{FINGERPRINT}"},
        f"give movedTo: PAR::moved::{FINGERPRINT}",
    ),
    ("party-place", {"moved_to": f"PAR::moved::{OTHER_FINGERPRINT}"}, "correct movedTo"),
    ("party-hint", {"spec": changed_spec(party_hint="acme-validator-2")}, "set partyHint: acme-validator-1"),
    ("migration-id", {"spec": changed_spec(migration_id=9)}, "set migrationId: 1"),
    ("key-kind", {"spec": changed_spec(external_kms=True)}, "keys cannot go from one kind"),
    ("workloads", {"missing_workloads": ("deployment/validator-app",)}, "install the charts"),
    (
        "workloads",
        {"spec": changed_spec(target=CUSTOM), "target": TargetFacts("print")},
        "delete the Validator 'acme' first, and only it",
    ),
    ("target", {"target": TargetFacts("custom-resource")}, "use apply: workload, or print"),
    (
        "target",
        {"spec": changed_spec(target=CUSTOM), "target": TargetFacts("custom-resource", resource=False)},
        "Validator validator-1/acme is not there",
    ),
    ("permissions", {"denied": ("patch deployments participant",)}, "not allowed to patch deployments participant"),
    ("onboarding-secret", {"onboarding_secret": False}, "not there"),
    ("databases", {"database_obstacles": ("user 'x' may not create databases",)}, "give the database user"),
    ("ledger-api-login", {"login_faults": {"machine": "client is missing"}}, "client is missing"),
    ("wallet-login", {"login_faults": {"wallet": "user is missing"}}, "user is missing"),
]


@pytest.mark.parametrize(("name", "changes", "text"), REFUSALS)
def test_refusals(name: str, changes: dict[str, Any], text: str) -> None:
    verdicts = import_verdicts(facts(**changes))
    assert [verdict.name for verdict in verdicts if verdict.outcome is Outcome.REFUSAL] == [name]
    with pytest.raises(RefusedError, match="nothing was touched") as caught:
        require(verdicts)
    assert text in str(caught.value)


def test_every_refusal_is_told_at_once() -> None:
    wrong = facts(spec=changed_spec(migration_id=9, party_hint="acme-validator-2"))
    with pytest.raises(RefusedError, match=r"(?s)party-hint.*migration-id"):
        require(import_verdicts(wrong))


def test_a_kms_dump_needs_a_stack_that_says_so() -> None:
    kms = make_dump(keys=KMS_KEYS)
    assert outcomes(facts(kms))["key-kind"] is Outcome.REFUSAL
    assert outcomes(facts(kms, spec=changed_spec(external_kms=True)))["key-kind"] is Outcome.WARNING


WARNINGS = [
    ("party-place", {"unproven_imports": (f"PAR::burnt::{FINGERPRINT}",)}),
    ("dump-age", {"now": NOW + timedelta(days=40)}),
    ("present-identity", {"answers_now": True, "present_participant_id": PARTICIPANT}),
    ("present-identity", {"present_participant_id": f"PAR::anew::{OTHER_FINGERPRINT}"}),
    ("wallet-login", {"spec": declared_spec()}),
]


@pytest.mark.parametrize(("name", "changes"), WARNINGS)
def test_warnings(name: str, changes: dict[str, Any]) -> None:
    assert outcomes(facts(**changes))[name] is Outcome.WARNING


def test_the_vendors_resource_is_deleted_first_and_keeps_its_node_identifier() -> None:
    spec = changed_spec(target=CUSTOM)
    deleted = facts(spec=spec, missing_workloads=tuple(str(one) for one in spec.workloads), target=TargetFacts("print"))
    assert outcomes(deleted)["workloads"] is Outcome.PASS
    found = {verdict.name: verdict.found for verdict in import_verdicts(deleted)}
    assert "'acme-validator-1': the vendor's guide keeps it" in found["node-identifier"]


@given(st.text(min_size=1, max_size=10), st.lists(st.text(min_size=1, max_size=10)))
def test_an_identifier_passes_only_when_nobody_has_used_it(wanted: str, used: list[str]) -> None:
    verdict = outcomes(facts(new_identifier=wanted, used_identifiers=dict.fromkeys(used, "somewhere")))
    free = wanted not in {*used, "acme-validator-1"}
    assert (verdict["identifier-unused"] is Outcome.PASS) == free


def test_metadata_of_another_participant_is_refused() -> None:
    good = facts()
    assert good.metadata is not None
    assert good.content is not None
    other = good.metadata.model_copy(update={"participant_id": f"PAR::x::{OTHER_FINGERPRINT}"})
    assert hashlib.sha256(good.content).hexdigest() == other.sha256
    assert outcomes(replace(good, metadata=other))["dump-intact"] is Outcome.REFUSAL


def test_every_verdict_has_a_name_that_overrides_know() -> None:
    assert [verdict.name for verdict in import_verdicts(facts())] == list(IMPORT_CHECKS)


def test_a_preview_judges_what_it_can_see() -> None:
    seen = {"content": None, "dump": None, "database_obstacles": None, "login_faults": None, "answers_now": None}
    names = {verdict.name for verdict in import_verdicts(facts(**seen, onboarding_secret=None, denied=None))}
    assert {"identifier-unused", "party-hint", "migration-id", "dump-age", "node-identifier"} <= names
    assert not names & {"dump-intact", "databases", "ledger-api-login", "wallet-login", "permissions"}


def test_an_import_that_names_where_the_party_is_now_passes() -> None:
    moved = f"PAR::moved::{FINGERPRINT}"
    for known in ({"hosted_by": moved}, {"latest_participant_id": moved}, {"unproven_imports": (moved,)}):
        assert outcomes(facts(moved_to=moved, **known))["party-place"] is Outcome.PASS
