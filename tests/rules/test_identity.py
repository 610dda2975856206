"""What counts as a dump, what changed since the last one, what an import sets."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.model.identity_dump import IdentityDumpMetadata, KeyKind
from catalyx_dr.model.target import CustomResourceTarget
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.identity import (
    SECRET_LIMIT_BYTES,
    changes,
    check_party,
    check_secret_size,
    describe_dump,
    expected_party,
    key_set_mark,
    node_identifier,
    of_the_same_keys,
    read_dump,
    target_values,
)
from tests.fixtures_identity import FINGERPRINT, PARTICIPANT, PARTY, declared_spec, make_dump

TAKEN = datetime(2026, 11, 24, 6, tzinfo=UTC)
SECRET = base64.b64encode(b"a private key").decode()
OTHER_FINGERPRINT = "1220" + "cd" * 32
KMS_KEYS = [
    {"type": "signing", "keyId": f"arn:{name}", "name": name} for name in ("namespace", "signing", "encryption")
]
CUSTOM = CustomResourceTarget.model_validate(
    {"kind": "custom-resource", "api_version": "canton.example/v1", "resource_kind": "Validator", "name": "acme"}
)


def described(spec: ValidatorSpec, dump: dict[str, Any]) -> IdentityDumpMetadata:
    content = json.dumps(dump).encode()
    return describe_dump(spec, read_dump(content), content, PARTY, TAKEN)


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in make_dump().items() if name != field}


BAD_DUMPS: list[tuple[object, str]] = [
    ({}, "id: Field required"),
    (without("id"), "id: Field required"),
    (without("keys"), "keys: Field required"),
    (without("authorizedStoreSnapshot"), "authorizedStoreSnapshot: Field required"),
    (make_dump("PAR::x"), "id: String should match"),
    (make_dump("MED::x::" + FINGERPRINT), "id: String should match"),
    (make_dump(f"PAR::x::{FINGERPRINT[:-1]}"), "id: String should match"),
    (make_dump(keys=[]), "keys: Tuple should have at least 1 item"),
    (make_dump(keys=[{"name": "namespace"}]), "keyPair: Field required"),
    (make_dump(keys=[{"keyPair": "not base64!"}]), "must be base64"),
    (make_dump(keys=[{"keyPair": ""}]), "must not be empty"),
    (make_dump(keys=[{"type": "signing", "keyId": "k"}]), "name: Field required"),
    (make_dump(authorizedStoreSnapshot="%%%"), "authorizedStoreSnapshot: Value error, must be base64"),
    (make_dump(authorizedStoreSnapshot=None), "authorizedStoreSnapshot: Input should be a valid string"),
    ([], "document: "),
    ("text", "document: "),
]


@pytest.mark.parametrize(("dump", "text"), BAD_DUMPS)
def test_what_is_no_dump_is_refused_by_its_fields(dump: object, text: str) -> None:
    with pytest.raises(UnprovenError, match="no identity dump") as caught:
        read_dump(json.dumps(dump).encode())
    assert text in str(caught.value)


@given(st.integers(min_value=0, max_value=len(json.dumps(make_dump())) - 1))
def test_a_dump_that_was_cut_short_is_refused_and_not_shown(length: int) -> None:
    with pytest.raises(UnprovenError) as caught:
        read_dump(json.dumps(make_dump()).encode()[:length])
    for key in make_dump()["keys"]:
        assert key["keyPair"] not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_without_a_traceback_of_another_kind(content: bytes) -> None:
    with pytest.raises(UnprovenError):
        read_dump(content)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_a_field_of_another_type_never_shows_its_neighbours(value: object) -> None:
    with pytest.raises(UnprovenError) as caught:
        read_dump(json.dumps(make_dump(keys=[{"keyPair": SECRET, "name": "n"}, value])).encode())
    assert SECRET not in str(caught.value)


def test_fields_that_are_new_in_splice_do_no_harm() -> None:
    dump = read_dump(json.dumps(make_dump(later={"a": 1})).encode())
    assert (dump.identifier, dump.fingerprint, dump.key_kind) == ("acme-validator-1", FINGERPRINT, KeyKind.HELD)


def test_metadata_holds_no_key(spec: ValidatorSpec) -> None:
    shown = described(spec, make_dump()).model_dump_json() + repr(read_dump(json.dumps(make_dump()).encode()))
    for key in make_dump()["keys"]:
        assert key["keyPair"] not in shown
        assert base64.b64decode(key["keyPair"]).decode() not in shown


@given(st.permutations(make_dump()["keys"]))
def test_the_mark_does_not_depend_on_order_or_snapshot(keys: list[dict[str, str]]) -> None:
    other = make_dump(keys=keys, authorizedStoreSnapshot=base64.b64encode(b"later").decode())
    assert key_set_mark(read_dump(json.dumps(other).encode())) == key_set_mark(
        read_dump(json.dumps(make_dump()).encode())
    )


@pytest.mark.parametrize(
    ("dump", "text"),
    [
        (make_dump(f"PAR::acme-validator-2::{FINGERPRINT}"), "participant id changed"),
        (make_dump(f"PAR::acme-validator-1::{OTHER_FINGERPRINT}"), "participant id changed"),
        (make_dump(keys=make_dump()["keys"][:2]), "number of keys changed from 3 to 2"),
        (make_dump(keys=[*make_dump()["keys"][:2], {"keyPair": SECRET}]), "key set changed"),
        (make_dump(keys=KMS_KEYS), "key kind changed from held to kms"),
        (make_dump(keys=KMS_KEYS), "externalKms: true"),
    ],
)
def test_changes_since_the_last_dump_are_flagged(spec: ValidatorSpec, dump: dict[str, Any], text: str) -> None:
    flags = changes(described(spec, dump), described(spec, make_dump()), spec)
    assert any(text in flag for flag in flags)


def test_the_same_again_flags_nothing(spec: ValidatorSpec) -> None:
    later = make_dump(authorizedStoreSnapshot=base64.b64encode(b"other bytes").decode(), version="0.7.5")
    assert changes(described(spec, later), described(spec, make_dump()), spec) == ()
    assert changes(described(spec, make_dump()), None, spec) == ()


def test_a_node_identifier_that_lags_behind_is_flagged_for_splice_only(spec: ValidatorSpec) -> None:
    moved = make_dump(f"PAR::acme-validator-2::{FINGERPRINT}")
    assert "set nodeIdentifier: acme-validator-2" in changes(described(spec, moved), None, spec)[0]
    vendor = spec.model_copy(update={"target": CUSTOM})
    assert changes(described(vendor, moved), None, vendor) == ()


def test_a_dump_of_other_keys_replaces_none(spec: ValidatorSpec) -> None:
    known = [described(spec, make_dump(f"PAR::{name}::{FINGERPRINT}")) for name in ("a", "b")]
    other = described(spec, make_dump(f"PAR::a::{OTHER_FINGERPRINT}"))
    assert of_the_same_keys([*known, other], PARTICIPANT) == tuple(known)


@given(st.integers(min_value=-1, max_value=1), st.integers(min_value=0, max_value=5000))
def test_content_and_metadata_share_the_limit_of_a_secret(over: int, metadata_bytes: int) -> None:
    content, metadata = b"x" * (SECRET_LIMIT_BYTES - metadata_bytes + over), b"m" * metadata_bytes
    if over <= 0:
        check_secret_size(content, metadata)
        return
    with pytest.raises(RefusedError, match="a Secret holds at most 1048576; nothing was published"):
        check_secret_size(content, metadata)


def test_a_validator_of_another_party_is_refused(spec: ValidatorSpec) -> None:
    check_party(spec, PARTY)
    with pytest.raises(UnprovenError, match="correct partyHint"):
        check_party(spec, f"acme-validator-10::{FINGERPRINT}")


def test_the_expected_party_is_the_recorded_or_the_derived_one(spec: ValidatorSpec) -> None:
    metadata = described(spec, make_dump())
    assert expected_party(metadata) == PARTY
    assert expected_party(metadata.model_copy(update={"party_id": None})) == PARTY


def test_values_of_splices_chart(spec: ValidatorSpec) -> None:
    values = target_values(spec, "acme-validator-1b")
    assert values["target"] == "splice-helm"
    assert values["nodeIdentifier"] == "acme-validator-1b"
    assert values["spliceHelm"] == {
        "participantIdentitiesDumpImport": {
            "secretName": "participant-bootstrap-dump",
            "newParticipantIdentifier": "acme-validator-1b",
        },
        "migrateValidatorParty": True,
        "nodeIdentifier": "acme-validator-1b",
        "validatorPartyHint": "acme-validator-1",
    }


def test_block_of_the_vendors_resource(spec: ValidatorSpec) -> None:
    block = {
        "participantIdentitiesDumpImport": {
            "identitiesSecretName": "participant-bootstrap-dump",
            "newParticipantIdentifier": "acme-validator-1b",
        },
        "migrateValidatorParty": True,
    }
    assert target_values(spec, "acme-validator-1b")["customResource"] == {"spec": block}
    vendor = spec.model_copy(update={"target": CUSTOM})
    assert target_values(vendor, "acme-validator-1b")["customResource"] == {
        "apiVersion": "canton.example/v1",
        "kind": "Validator",
        "metadata": {"name": "acme", "namespace": "validator-1"},
        "spec": block,
    }
    assert node_identifier(vendor, "acme-validator-1b") == "acme-validator-1"


@pytest.fixture
def spec() -> ValidatorSpec:
    return declared_spec()
