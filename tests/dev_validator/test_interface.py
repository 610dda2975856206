"""The stand-in's HTTP interface: shapes, tokens, wallet, and the order of offsets."""

import base64
import time
from typing import Any

import httpx2
import pytest

from catalyx_dr.adapters.scan_api import ScanClient
from dev.validator.keys import KeyPair
from tests.dev_validator.harness import AUDIENCE, OPERATOR, WALLET_USER, Validator

IDENTITIES = "/v0/admin/participant/identities"


def test_health_needs_no_token(running: Validator) -> None:
    root = running.url.removesuffix("/api/validator")
    for url in (running.url, root):
        for path in ("/readyz", "/livez"):
            response = httpx2.get(url + path, trust_env=False)
            assert (response.status_code, response.content) == (200, b"")


def test_validator_user_is_public(running: Validator) -> None:
    answer = running.get("/v0/validator-user").json()
    assert answer.keys() == {"party_id", "user_name", "featured"}
    assert answer["party_id"].startswith("acme-validator-1::1220")
    assert answer["user_name"] == OPERATOR


def test_identity_dump_holds_the_participants_real_keys(running: Validator) -> None:
    dump = running.dump()
    assert dump.keys() == {"id", "keys", "authorizedStoreSnapshot", "version"}
    assert [key["name"] for key in dump["keys"]] == ["namespace", "signing", "encryption"]
    prefix, identifier, namespace = dump["id"].split("::")
    assert (prefix, identifier) == ("PAR", "acme-validator-1")
    assert KeyPair.from_dump(dump["keys"][0]).fingerprint == namespace
    assert base64.b64decode(dump["authorizedStoreSnapshot"], validate=True)
    again = running.dump()
    assert (again["id"], again["keys"]) == (dump["id"], dump["keys"])
    assert again["authorizedStoreSnapshot"] != dump["authorizedStoreSnapshot"]


def test_party_is_hosted_in_the_participants_namespace(running: Validator, scan_url: str) -> None:
    party = running.get("/v0/validator-user").json()["party_id"]
    found = ScanClient(scan_url).participant_of(party)
    assert found is not None
    assert found == running.dump()["id"]
    assert party.split("::")[1] == found.split("::")[2]
    elsewhere = f"{scan_url}/api/scan/v0/domains/another::1220/parties/{party}/participant-id"
    assert httpx2.get(elsewhere, trust_env=False).status_code == 404


def test_wallet_user_sees_status_and_balance(running: Validator) -> None:
    status = running.as_wallet_user("/v0/wallet/user-status")
    assert status == {
        "party_id": running.get("/v0/validator-user").json()["party_id"],
        "user_onboarded": True,
        "user_wallet_installed": True,
        "has_featured_app_right": False,
    }
    balance = running.as_wallet_user("/v0/wallet/balance")
    assert balance.keys() == {"round", "effective_unlocked_qty", "effective_locked_qty", "total_holding_fees"}
    assert isinstance(balance["round"], int)


def test_tap_adds_to_the_balance_and_the_participant_is_never_behind(running: Validator) -> None:
    before, end = float(running.balance()), running.ledger_end()
    response = running.tap("12.5")
    assert response.status_code == 200
    assert response.json().keys() == {"contract_id"}
    assert float(running.balance()) == before + 12.5
    assert running.ledger_end() == end + 1
    assert running.last_ingested_offset() == end + 1
    amulets = running.as_wallet_user("/v0/wallet/amulets")["amulets"]
    assert amulets[-1]["contract"]["contract"]["contract_id"] == response.json()["contract_id"]


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "1e999999", "much", "0.00000000001"])
def test_bad_amounts_are_refused(running: Validator, amount: str) -> None:
    response = running.tap(amount)
    assert response.status_code == 400
    assert response.json().keys() == {"error"}


def test_operator_lists_users_and_reads_the_network(running: Validator) -> None:
    assert running.as_operator("/v0/admin/users")["usernames"] == [OPERATOR, WALLET_USER]
    assert running.as_operator("/v0/scan-proxy/dso-party-id")["dso_party_id"].startswith("DSO::1220")
    config = running.as_operator("/v0/admin/participant/global-domain-connection-config")
    assert config["sequencer_connections"]["connections"]


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://else.example.com"},
        {"aud": None},
        {"iss": "http://else.example.com"},
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"sub": None},
    ],
)
def test_a_token_that_does_not_hold_gives_401(running: Validator, changes: dict[str, Any]) -> None:
    response = running.get(IDENTITIES, running.provider.token(OPERATOR, **changes))
    assert response.status_code == 401
    assert response.json().keys() == {"error"}


def test_missing_garbled_and_foreign_tokens_give_401(running: Validator) -> None:
    for token in (None, "garbled", running.provider.foreign_token(OPERATOR)):
        assert running.get(IDENTITIES, token).status_code == 401


def test_audience_may_be_one_of_several(running: Validator) -> None:
    token = running.provider.token(OPERATOR, aud=["account", AUDIENCE])
    assert running.get(IDENTITIES, token).status_code == 200


@pytest.mark.parametrize("subject", [WALLET_USER, "nobody-known"])
def test_only_the_operator_may_use_admin_endpoints(running: Validator, subject: str) -> None:
    response = running.get(IDENTITIES, running.provider.token(subject))
    assert response.status_code == 403
    assert response.json().keys() == {"error"}


def test_an_unknown_user_has_no_wallet(running: Validator) -> None:
    token = running.provider.token("nobody-known")
    assert running.get("/v0/wallet/user-status", token).json()["user_onboarded"] is False
    assert running.get("/v0/wallet/balance", token).status_code == 404


def test_unknown_paths_answer_with_an_error_object(running: Validator) -> None:
    response = running.get("/v0/admin/domain/data-snapshot", running.provider.token(OPERATOR))
    assert (response.status_code, response.json()) == (404, {"error": "Not Found"})
