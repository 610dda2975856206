"""The validator app's interface: what is wrong is told apart, with cause and remedy, and no key material is shown."""

import json
from decimal import Decimal

import pytest

from catalyx_dr.adapters.http_peer import MAX_ANSWER_BYTES, Patience
from catalyx_dr.adapters.keycloak import AccessToken, MachineLogin, UserLogin, machine_token, user_token
from catalyx_dr.adapters.validator_api import ApiProblem, ValidatorApiError, ValidatorClient
from catalyx_dr.model.errors import UnreachableError
from tests.fixtures_identity import (
    AUDIENCE,
    CLIENT_ID,
    CLIENT_SECRET,
    IDENTITIES,
    PARTY,
    WALLET_CLIENT,
    WALLET_PASSWORD,
    WALLET_USER,
    Keycloak,
    Reply,
    ValidatorApp,
)
from tests.fixtures_postgres import free_port

QUICK = Patience(timeout=1, attempts=2, first_wait=0.01)


@pytest.fixture
def client(validator_app: ValidatorApp) -> ValidatorClient:
    return ValidatorClient(validator_app.url + "/", QUICK)


@pytest.fixture
def machine(keycloak: Keycloak) -> AccessToken:
    return machine_token(MachineLogin(keycloak.url, CLIENT_ID, CLIENT_SECRET, AUDIENCE))


@pytest.fixture
def wallet_user(keycloak: Keycloak) -> AccessToken:
    return user_token(UserLogin(keycloak.url, WALLET_CLIENT, WALLET_USER, WALLET_PASSWORD, AUDIENCE))


def test_readiness(client: ValidatorClient, validator_app: ValidatorApp) -> None:
    assert client.is_ready()
    validator_app.ready = False
    assert not client.is_ready()
    assert not ValidatorClient(f"http://127.0.0.1:{free_port()}", QUICK).is_ready()


def test_answers_are_read(client: ValidatorClient, wallet_user: AccessToken) -> None:
    user = client.validator_user()
    assert (user.party_id, user.party_hint, user.fingerprint) == (PARTY, *PARTY.split("::"))
    assert client.user_status(wallet_user).user_onboarded
    assert client.balance(wallet_user).effective_unlocked_qty == Decimal("1234.5")


def test_identities_are_the_bytes_that_were_received(
    client: ValidatorClient, validator_app: ValidatorApp, machine: AccessToken
) -> None:
    odd = b' {"id" :\n"x", "later": [1.50]} '
    validator_app.http.always(IDENTITIES, Reply(200, odd))
    assert client.identities(machine) == odd


IDENTITY_FAULTS = [
    (Reply.of({"error": "no such path"}, 404), ApiProblem.NOT_FOUND, "splice#5777"),
    (Reply.of({"error": "bad token"}, 401), ApiProblem.UNAUTHENTICATED, "auth.audience"),
    (Reply.of({"error": "not admin"}, 403), ApiProblem.FORBIDDEN, "wallet user is not enough"),
    (Reply.of({"error": "starting"}, 503), ApiProblem.UNAVAILABLE, "not ready"),
    (Reply.of({"error": "boom"}, 500), ApiProblem.UNEXPECTED, "look at its log"),
    (Reply(302, headers={"Location": "http://login"}), ApiProblem.UNEXPECTED, "login page or proxy"),
    (Reply(200, b""), ApiProblem.MALFORMED, "with nothing"),
    (Reply(200, b"<!doctype html>", "text/html"), ApiProblem.MALFORMED, "HTML page"),
    (Reply(200, b"  <html>"), ApiProblem.MALFORMED, "HTML page"),
    (Reply(200, b'{"id": "PAR::x", "keys": [{"keyPair": "c2Vjcm'), ApiProblem.MALFORMED, "no JSON, cut short"),
    (Reply(200, b"[]"), ApiProblem.MALFORMED, "no object"),
    (Reply(200, b"\xff\xfe\x00"), ApiProblem.MALFORMED, "no JSON"),
    (Reply(drop=True), ApiProblem.UNREACHABLE, "did not answer"),
    (Reply(delay=1.5), ApiProblem.UNREACHABLE, "ReadTimeout"),
]


@pytest.mark.parametrize(("reply", "problem", "text"), IDENTITY_FAULTS)
def test_faults_of_the_dump_are_told_apart(
    client: ValidatorClient,
    validator_app: ValidatorApp,
    machine: AccessToken,
    reply: Reply,
    problem: ApiProblem,
    text: str,
) -> None:
    validator_app.http.always(IDENTITIES, reply)
    with pytest.raises(ValidatorApiError) as caught:
        client.identities(machine)
    assert caught.value.problem is problem
    assert text in str(caught.value)
    assert validator_app.url in str(caught.value)
    assert machine.value not in str(caught.value)
    assert "c2Vjcm" not in str(caught.value)


def test_a_wallet_user_gets_no_dump(client: ValidatorClient, wallet_user: AccessToken) -> None:
    with pytest.raises(ValidatorApiError, match=r"\[User id-of-alice is not authorized\]") as caught:
        client.identities(wallet_user)
    assert caught.value.problem is ApiProblem.FORBIDDEN


def test_an_answer_that_repeats_the_token_is_not_repeated(
    client: ValidatorClient, validator_app: ValidatorApp, machine: AccessToken
) -> None:
    validator_app.http.always(IDENTITIES, Reply.of({"error": f"token {machine.value} is bad"}, 401))
    with pytest.raises(ValidatorApiError, match=r"token \*\*\* is bad") as caught:
        client.identities(machine)
    assert machine.value not in str(caught.value)


def test_an_endless_answer_is_cut_off(
    client: ValidatorClient, validator_app: ValidatorApp, machine: AccessToken
) -> None:
    validator_app.http.always(IDENTITIES, Reply(200, b" " * (MAX_ANSWER_BYTES + 1)))
    with pytest.raises(UnreachableError, match="more than 8388608 bytes"):
        client.identities(machine)


def test_passing_faults_are_asked_again(
    client: ValidatorClient, validator_app: ValidatorApp, machine: AccessToken
) -> None:
    whole = json.dumps(validator_app.dump).encode()
    validator_app.http.always(IDENTITIES, Reply(503), Reply(200, whole))
    assert client.identities(machine) == whole


def test_what_will_not_pass_is_asked_once(
    client: ValidatorClient, validator_app: ValidatorApp, machine: AccessToken
) -> None:
    validator_app.http.always(IDENTITIES, Reply(401))
    with pytest.raises(ValidatorApiError):
        client.identities(machine)
    assert [asked.path for asked in validator_app.http.asked] == [IDENTITIES]


def test_another_shape_is_named_by_its_fields(client: ValidatorClient, validator_app: ValidatorApp) -> None:
    validator_app.http.always("/api/validator/v0/validator-user", Reply.of({"party_id": 7}))
    with pytest.raises(ValidatorApiError, match=r"party_id: .*user_name: Field required") as caught:
        client.validator_user()
    assert caught.value.problem is ApiProblem.MALFORMED
