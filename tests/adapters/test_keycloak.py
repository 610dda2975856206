"""Tokens from Keycloak: each way to fail has its own name, cause and remedy, and no failure tells a secret."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from catalyx_dr.adapters.http_peer import Patience
from catalyx_dr.adapters.keycloak import (
    AccessToken,
    LoginError,
    LoginProblem,
    MachineLogin,
    UserLogin,
    machine_token,
    user_token,
)
from tests.fixtures_identity import (
    AUDIENCE,
    CLIENT_ID,
    CLIENT_SECRET,
    WALLET_CLIENT,
    WALLET_PASSWORD,
    WALLET_USER,
    Keycloak,
    Reply,
)
from tests.fixtures_postgres import free_port

OTHER = "another value"
QUICK = Patience(timeout=1, attempts=2, first_wait=0.01)


def machine(keycloak: Keycloak) -> MachineLogin:
    return MachineLogin(keycloak.url, CLIENT_ID, CLIENT_SECRET, AUDIENCE)


def user(keycloak: Keycloak) -> UserLogin:
    return UserLogin(keycloak.url, WALLET_CLIENT, WALLET_USER, WALLET_PASSWORD, AUDIENCE)


def test_machine_and_user_get_tokens_that_the_realm_accepts(keycloak: Keycloak) -> None:
    assert keycloak.subject(machine_token(machine(keycloak)).headers["Authorization"]) == "service-account"
    assert keycloak.subject(user_token(user(keycloak)).headers["Authorization"]) == "id-of-alice"


def test_audience_and_scope_are_asked_for(keycloak: Keycloak) -> None:
    machine_token(replace(machine(keycloak), scope="daml_ledger_api"))
    form = keycloak.http.asked[-1].form
    assert (form["audience"], form["scope"]) == (AUDIENCE, "daml_ledger_api")


def test_url_of_the_realm_serves_as_well_as_its_discovery_document(keycloak: Keycloak) -> None:
    assert machine_token(replace(machine(keycloak), url=f"{keycloak.http.url}/realms/canton/"))


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE]])
def test_audience_may_be_one_or_many(keycloak: Keycloak, audience: object) -> None:
    keycloak.audiences = audience
    assert machine_token(machine(keycloak))


def _failing(keycloak: Keycloak, prepare: Callable[[Keycloak], MachineLogin | UserLogin]) -> LoginError:
    login = prepare(keycloak)
    with pytest.raises(LoginError) as caught:
        _ = machine_token(login, QUICK) if isinstance(login, MachineLogin) else user_token(login, QUICK)
    return caught.value


def _nobody_there(_keycloak: Keycloak) -> MachineLogin:
    return MachineLogin(f"http://127.0.0.1:{free_port()}/realms/canton", CLIENT_ID, CLIENT_SECRET, AUDIENCE)


def _token_answers(reply: Reply) -> Callable[[Keycloak], MachineLogin]:
    def prepare(keycloak: Keycloak) -> MachineLogin:
        keycloak.http.always(Keycloak.TOKEN_PATH, reply)
        return machine(keycloak)

    return prepare


def _discovery_answers(reply: Reply) -> Callable[[Keycloak], MachineLogin]:
    def prepare(keycloak: Keycloak) -> MachineLogin:
        keycloak.http.always(Keycloak.DISCOVERY_PATH, reply)
        return machine(keycloak)

    return prepare


def _other_audience(keycloak: Keycloak) -> MachineLogin:
    keycloak.audiences = ["account"]
    return machine(keycloak)


def _no_audience(keycloak: Keycloak) -> UserLogin:
    keycloak.audiences = None
    return user(keycloak)


FAILURES: list[tuple[LoginProblem, str, Callable[[Keycloak], MachineLogin | UserLogin]]] = [
    (LoginProblem.UNREACHABLE, "did not answer", _nobody_there),
    (LoginProblem.UNREACHABLE, "did not answer", _token_answers(Reply(drop=True))),
    (LoginProblem.UNREACHABLE, "did not answer", _discovery_answers(Reply(delay=1.5))),
    (LoginProblem.UNREACHABLE, "not ready", _token_answers(Reply(503))),
    (LoginProblem.UNREACHABLE, "wait until it is ready", _discovery_answers(Reply(503))),
    (LoginProblem.NO_REALM, "realm is missing", lambda k: replace(machine(k), url=f"{k.http.url}/realms/gone")),
    (LoginProblem.WRONG_CLIENT, "'other' is missing", lambda k: replace(machine(k), client_id="other")),
    (LoginProblem.WRONG_CLIENT, "has another secret", lambda k: replace(machine(k), client_secret=OTHER)),
    (LoginProblem.GRANT_NOT_ALLOWED, "direct access grants", lambda k: replace(user(k), client_id=CLIENT_ID)),
    (LoginProblem.WRONG_USER, "'bob' is missing", lambda k: replace(user(k), username="bob")),
    (LoginProblem.WRONG_USER, "another password", lambda k: replace(user(k), password=OTHER)),
    (LoginProblem.WRONG_SCOPE, "'none'", lambda k: replace(machine(k), scope="none")),
    (LoginProblem.NO_AUDIENCE, "is for ['account']", _other_audience),
    (LoginProblem.NO_AUDIENCE, "is for nobody", _no_audience),
    (LoginProblem.MALFORMED, "no JSON Web Token", _token_answers(Reply.of({"access_token": "opaque"}))),
    (LoginProblem.MALFORMED, "no JSON Web Token", _token_answers(Reply.of({"access_token": "a.bm90anNvbg.c"}))),
    (LoginProblem.MALFORMED, "no answer of an OpenID", _token_answers(Reply(200, b"<html>", "text/html"))),
    (LoginProblem.MALFORMED, "without a token_endpoint", _discovery_answers(Reply(200, b"[]"))),
    (LoginProblem.MALFORMED, "without a token_endpoint", _discovery_answers(Reply.of({"token_endpoint": "file:///x"}))),
    (LoginProblem.MALFORMED, "without a token_endpoint", _discovery_answers(Reply(302, headers={"Location": "/x"}))),
]


@pytest.mark.parametrize(("problem", "text", "prepare"), FAILURES)
def test_failures_are_told_apart(
    keycloak: Keycloak, problem: LoginProblem, text: str, prepare: Callable[[Keycloak], MachineLogin | UserLogin]
) -> None:
    error = _failing(keycloak, prepare)
    assert error.problem is problem
    assert text in str(error)


@pytest.mark.parametrize("secret", [CLIENT_SECRET, WALLET_PASSWORD])
def test_an_answer_that_repeats_a_secret_is_not_repeated(keycloak: Keycloak, secret: str) -> None:
    echo = {"error": f"bad {secret}", "error_description": f"you sent\n{secret}"}
    keycloak.http.always(Keycloak.TOKEN_PATH, Reply.of(echo, 400))
    error = _failing(keycloak, machine if secret == CLIENT_SECRET else user)
    assert secret not in str(error)
    assert "you sent ***" in str(error)


def test_nothing_secret_is_shown_by_the_values_themselves(keycloak: Keycloak) -> None:
    token = machine_token(machine(keycloak))
    shown = repr([machine(keycloak), user(keycloak), token, token.claims])
    assert token.value not in shown
    assert CLIENT_SECRET not in shown
    assert WALLET_PASSWORD not in shown


def test_a_wrong_password_is_sent_once_only(keycloak: Keycloak) -> None:
    _failing(keycloak, lambda k: replace(user(k), password=OTHER))
    assert [asked.method for asked in keycloak.http.asked].count("POST") == 1


def test_a_dropped_login_is_not_sent_again(keycloak: Keycloak) -> None:
    _failing(keycloak, _token_answers(Reply(drop=True)))
    assert [asked.method for asked in keycloak.http.asked].count("POST") == 1


def test_discovery_survives_a_passing_fault(keycloak: Keycloak) -> None:
    document = {"token_endpoint": keycloak.http.url + Keycloak.TOKEN_PATH}
    keycloak.http.always(Keycloak.DISCOVERY_PATH, Reply(503), Reply.of(document))
    assert machine_token(machine(keycloak), QUICK)


@pytest.mark.parametrize("value", ["", "a", "a.b", "a.!!!.c", "a.W10.c"])
def test_claims_of_what_is_no_token(value: str) -> None:
    with pytest.raises(ValueError, match="no JSON Web Token"):
        _ = AccessToken(value).claims
