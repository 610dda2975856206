"""The validator app's HTTP interface (domain 1.3 and 6): readiness, identities, wallet."""

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from catalyx_dr.adapters.http_peer import PATIENT, Answer, Patience, get
from catalyx_dr.adapters.keycloak import AccessToken
from catalyx_dr.model.errors import UnreachableError

_BASE = "/api/validator"
_IDENTITIES = "/v0/admin/participant/identities"
_SHOWN_TEXT = 200


class ApiProblem(StrEnum):
    """Why an endpoint gave no usable answer."""

    UNREACHABLE = "unreachable"
    NOT_FOUND = "not found"
    UNAUTHENTICATED = "token not accepted"
    FORBIDDEN = "not allowed"
    UNAVAILABLE = "not ready"
    MALFORMED = "malformed answer"
    UNEXPECTED = "unexpected answer"


class ValidatorApiError(UnreachableError):
    """An endpoint gave no usable answer; `problem` tells the kinds apart, the text names cause and remedy."""

    def __init__(self, problem: ApiProblem, text: str) -> None:
        super().__init__(text)
        self.problem = problem


class _Answered(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class ValidatorUser(_Answered):
    """The operator of the validator; `party_id` is `<party hint>::<namespace fingerprint>`."""

    party_id: str
    user_name: str

    @property
    def party_hint(self) -> str:
        """Hint under which the party was made."""
        return self.party_id.split("::")[0]

    @property
    def fingerprint(self) -> str:
        """Namespace of the party."""
        return self.party_id.split("::")[-1]


class UserStatus(_Answered):
    """Whether a wallet user is onboarded."""

    party_id: str
    user_onboarded: bool
    user_wallet_installed: bool


class Balance(_Answered):
    """What a wallet holds, in Canton Coin."""

    round: int
    effective_unlocked_qty: Decimal
    effective_locked_qty: Decimal
    total_holding_fees: Decimal


_Shape = TypeVar("_Shape", bound=_Answered)

_CAUSES: Mapping[int, tuple[ApiProblem, str]] = {
    401: (
        ApiProblem.UNAUTHENTICATED,
        "the token is not accepted: wrong audience or issuer, expired, or the user is unknown to the participant; "
        "compare the chart's auth.audience and auth.jwksUrl with the ledger API Secret, and the clocks",
    ),
    403: (
        ApiProblem.FORBIDDEN,
        "the token is valid, its user lacks the right: since Splice 0.5.5 it must be the validator's own ledger API "
        "user, with the operator party as primary party and ParticipantAdmin; a wallet user is not enough; "
        "use the client of the ledger API Secret",
    ),
    404: (ApiProblem.NOT_FOUND, "this validator does not serve the endpoint; check api.url and its Splice version"),
    503: (ApiProblem.UNAVAILABLE, "the validator or its participant is not ready; look at their pods, then try again"),
}
_IDENTITIES_NOT_FOUND = (
    "this validator does not serve the dump (seen on Splice 0.6.3 with KMS, canton-network/splice#5777), or a proxy in "
    "between does not pass it on; ask inside the cluster (api.url http://validator-app:5003), upgrade Splice, and do "
    "not count on identity dumps until one succeeds"
)


class ValidatorClient:
    """Asks one validator app; `url` has no path, for example `http://validator-app:5003`."""

    def __init__(self, url: str, patience: Patience = PATIENT) -> None:
        self._url = url.rstrip("/") + _BASE
        self._patience = patience

    def is_ready(self) -> bool:
        """Tell whether the validator says that it is ready; one that does not answer is not."""
        try:
            return get(self._url + "/readyz", patience=self._patience).status == 200
        except UnreachableError:
            return False

    def validator_user(self) -> ValidatorUser:
        """Party and name of the validator's operator; raises ValidatorApiError."""
        return self._read("/v0/validator-user", None, ValidatorUser)

    def user_status(self, token: AccessToken) -> UserStatus:
        """Status of the user whose token this is; raises ValidatorApiError."""
        return self._read("/v0/wallet/user-status", token, UserStatus)

    def balance(self, token: AccessToken) -> Balance:
        """Balance of the user whose token this is; raises ValidatorApiError."""
        return self._read("/v0/wallet/balance", token, Balance)

    def identities(self, token: AccessToken) -> bytes:
        """The dump exactly as it was received, known only to be a JSON object; raises ValidatorApiError.

        The bytes hold private keys: they belong in a Secret or an encrypted object, never in a log.
        """
        answer = self._ask(_IDENTITIES, token)
        _json_object(self._url + _IDENTITIES, answer)
        return answer.content

    def _read(self, path: str, token: AccessToken | None, shape: type[_Shape]) -> _Shape:
        answer = self._ask(path, token)
        _json_object(self._url + path, answer)
        try:
            return shape.model_validate_json(answer.content)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ValidatorApiError(
                ApiProblem.MALFORMED, f"{self._url}{path} answered another form than Splice's: {faults}"
            ) from None

    def _ask(self, path: str, token: AccessToken | None) -> Answer:
        url = self._url + path
        try:
            answer = get(url, token.headers if token else None, self._patience)
        except UnreachableError as error:
            raise ValidatorApiError(
                ApiProblem.UNREACHABLE, f"validator: {error}; check api.url and that the validator runs"
            ) from None
        if answer.status == 200:
            return answer
        raise _problem(url, path, answer, token)


def _problem(url: str, path: str, answer: Answer, token: AccessToken | None) -> ValidatorApiError:
    unexpected = (ApiProblem.UNEXPECTED, "this is no answer of a validator app; look at its log")
    problem, cause = _CAUSES.get(answer.status, unexpected)
    if answer.status == 404 and path == _IDENTITIES:
        cause = _IDENTITIES_NOT_FOUND
    if 300 <= answer.status < 400:
        cause = "a login page or proxy answers in place of the validator app; use its address inside the cluster"
    return ValidatorApiError(problem, f"{url} answered {answer.status}: {cause}{_said(answer, token)}")


def _said(answer: Answer, token: AccessToken | None) -> str:
    """The peer's own `error` text, in brackets."""
    try:
        text = json.loads(answer.content)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    if not isinstance(text, str) or not text:
        return ""
    hidden = text.replace(token.value, "***") if token else text
    return f" [{' '.join(hidden.split())[:_SHOWN_TEXT]}]"


def _json_object(url: str, answer: Answer) -> None:
    """Refuse what is no JSON object, without repeating it."""
    if not answer.content.strip():
        found = "nothing"
    elif "html" in answer.content_type or answer.content.lstrip().startswith(b"<"):
        found = "an HTML page, so a login page or proxy answers in place of the validator app"
    else:
        try:
            if isinstance(json.loads(answer.content), dict):
                return
            found = "JSON that is no object"
        except ValueError:
            found = f"{len(answer.content)} bytes that are no JSON, cut short perhaps"
    raise ValidatorApiError(ApiProblem.MALFORMED, f"{url} answered 200 with {found}; check api.url and the validator")
