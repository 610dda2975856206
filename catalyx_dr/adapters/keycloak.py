"""Keycloak, or another OpenID Connect provider: access tokens for the validator's API."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from catalyx_dr.adapters.http_peer import PATIENT, Answer, Patience, get, post_form
from catalyx_dr.model.errors import UnreachableError

_DISCOVERY = "/.well-known/openid-configuration"
_CODE_LENGTH, _SHOWN_TEXT = 60, 200


class LoginProblem(StrEnum):
    """Why there is no token."""

    UNREACHABLE = "unreachable"
    NO_REALM = "no realm"
    WRONG_CLIENT = "wrong client"
    GRANT_NOT_ALLOWED = "grant not allowed"
    WRONG_USER = "user missing or wrong password"
    WRONG_SCOPE = "wrong scope"
    NO_AUDIENCE = "no audience"
    MALFORMED = "malformed answer"


class LoginError(UnreachableError):
    """No usable token; `problem` tells the kinds apart, the text names cause and remedy and never a secret."""

    def __init__(self, problem: LoginProblem, text: str) -> None:
        super().__init__(text)
        self.problem = problem


@dataclass(frozen=True)
class AccessToken:
    """A bearer token; never shown."""

    value: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Header that presents the token."""
        return {"Authorization": f"Bearer {self.value}"}

    @property
    def claims(self) -> Mapping[str, Any]:
        """Claims as they are written, not verified; raises ValueError when this is no JSON Web Token."""
        try:
            payload = self.value.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, ValueError, binascii.Error):
            raise ValueError("the token is no JSON Web Token") from None
        if not isinstance(claims, dict):
            raise ValueError("the token is no JSON Web Token")
        return claims


@dataclass(frozen=True)
class MachineLogin:
    """Client credentials of the validator's admin API, as its Secret has them (domain 1.6)."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    audience: str
    scope: str | None = None


@dataclass(frozen=True)
class UserLogin:
    """A wallet user who logs in through a public client."""

    url: str
    client_id: str
    username: str
    password: str = field(repr=False)
    audience: str
    scope: str | None = None


def machine_token(login: MachineLogin, patience: Patience = PATIENT) -> AccessToken:
    """Token by client credentials; raises LoginError."""
    form = {
        "grant_type": "client_credentials",
        "client_id": login.client_id,
        "client_secret": login.client_secret,
        "audience": login.audience,
    }
    if login.scope:
        form["scope"] = login.scope
    token = _token(login.url, form, login.client_id, patience)
    _check_audience(token, login.audience, login.client_id)
    return token


def user_token(login: UserLogin, patience: Patience = PATIENT) -> AccessToken:
    """Token by the user's own name and password, as the wallet's login page would get it; raises LoginError."""
    form = {
        "grant_type": "password",
        "client_id": login.client_id,
        "username": login.username,
        "password": login.password,
        "scope": login.scope or "openid",
    }
    token = _token(login.url, form, login.client_id, patience)
    _check_audience(token, login.audience, login.client_id)
    return token


def _token(url: str, form: Mapping[str, str], client_id: str, patience: Patience) -> AccessToken:
    endpoint = _token_endpoint(url, patience)
    try:
        answer = post_form(endpoint, form, patience)
    except UnreachableError as error:
        raise LoginError(
            LoginProblem.UNREACHABLE, f"Keycloak: {error}; check that it runs and can be reached"
        ) from None
    body = _json_object(answer)
    if answer.status == 200 and body is not None and isinstance(body.get("access_token"), str):
        return AccessToken(body["access_token"])
    raise _refusal(endpoint, answer, body or {}, client_id, form)


def _token_endpoint(url: str, patience: Patience) -> str:
    discovery = url if url.endswith(_DISCOVERY) else url.rstrip("/") + _DISCOVERY
    try:
        answer = get(discovery, patience=patience)
    except UnreachableError as error:
        raise LoginError(
            LoginProblem.UNREACHABLE, f"Keycloak: {error}; check that it runs and can be reached"
        ) from None
    if answer.status == 404:
        raise LoginError(
            LoginProblem.NO_REALM,
            f"Keycloak: {discovery} is not there (404); the realm is missing or the Secret's url is wrong",
        )
    if answer.status >= 500:
        raise LoginError(
            LoginProblem.UNREACHABLE, f"Keycloak: {discovery} answered {answer.status}; wait until it is ready"
        )
    body = _json_object(answer)
    endpoint = body.get("token_endpoint") if answer.status == 200 and body is not None else None
    if not isinstance(endpoint, str) or not endpoint.startswith(("http://", "https://")):
        raise LoginError(
            LoginProblem.MALFORMED,
            f"Keycloak: {discovery} answered {answer.status} without a token_endpoint; "
            "the Secret's url must lead to an OpenID Connect discovery document",
        )
    return endpoint


def _json_object(answer: Answer) -> dict[str, Any] | None:
    try:
        body = json.loads(answer.content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _refusal(
    endpoint: str, answer: Answer, body: Mapping[str, Any], client_id: str, form: Mapping[str, str]
) -> LoginError:
    code = _shown(body.get("error"), form)[:_CODE_LENGTH]
    detail = _shown(body.get("error_description"), form)
    if code == "unauthorized_client" and "credentials" in detail:
        code = "invalid_client"  # Keycloak says the same for a wrong secret as for a grant that is not allowed.
    grant, user = form["grant_type"], form.get("username")
    known = {
        "invalid_client": (
            LoginProblem.WRONG_CLIENT,
            f"client {client_id!r} is missing, disabled or has another secret; create it again, or correct the Secret",
        ),
        "unauthorized_client": (
            LoginProblem.GRANT_NOT_ALLOWED,
            f"client {client_id!r} may not use the grant {grant}; "
            + ("enable its service account" if grant == "client_credentials" else "enable direct access grants"),
        ),
        "invalid_grant": (
            LoginProblem.WRONG_USER,
            f"user {user!r} is missing, disabled or has another password; "
            "restore the Keycloak user (vendor guide, Troubleshooting), or correct the Secret",
        ),
        "invalid_scope": (
            LoginProblem.WRONG_SCOPE,
            f"scope {form.get('scope')!r} is not allowed for client {client_id!r}; assign the scope to the client",
        ),
    }
    if code in known:
        problem, text = known[code]
    elif answer.status >= 500:
        problem, text = LoginProblem.UNREACHABLE, "it is not ready; wait and try again"
    else:
        problem, text = LoginProblem.MALFORMED, "this is no answer of an OpenID Connect token endpoint; check the URL"
    return LoginError(
        problem,
        f"Keycloak: {endpoint} answered {answer.status} {code or '(no error code)'}: {text}{detail and f' [{detail}]'}",
    )


def _shown(text: object, form: Mapping[str, str]) -> str:
    """What a peer wrote, short, on one line, and without what was sent to it in confidence."""
    if not isinstance(text, str):
        return ""
    for name in ("client_secret", "password"):
        if form.get(name):
            text = text.replace(form[name], "***")
    return " ".join(text.split())[:_SHOWN_TEXT]


def _check_audience(token: AccessToken, audience: str, client_id: str) -> None:
    try:
        found = token.claims.get("aud", [])
    except ValueError as error:
        raise LoginError(
            LoginProblem.MALFORMED,
            f"Keycloak: for client {client_id!r} {error}; the validator accepts only signed JSON Web Tokens",
        ) from None
    audiences = [found] if isinstance(found, str) else list(found) if isinstance(found, list) else []
    if audience not in audiences:
        raise LoginError(
            LoginProblem.NO_AUDIENCE,
            f"Keycloak: the token of client {client_id!r} is for {audiences or 'nobody'}, the validator wants "
            f"{audience!r}; add an audience mapper to the client, or set api.credentials.audience",
        )
