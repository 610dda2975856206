"""Requests to an HTTP peer: bounded in time and size, tried again only where that can do no harm."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx2
from tenacity import (
    RetryCallState,
    Retrying,
    retry_base,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_exponential,
)

from catalyx_dr.model.errors import UnreachableError

MAX_ANSWER_BYTES = 8 * 1024 * 1024
# What a gateway says in place of a peer that is just starting.
_PASSING_STATUSES = (502, 503, 504)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; its body may be secret, so it is never shown."""

    status: int
    content: bytes = field(repr=False)
    content_type: str = ""
    location: str = ""


@dataclass(frozen=True)
class Patience:
    """How long one try may take and how often it is made; times in seconds."""

    timeout: float = 15.0
    attempts: int = 3
    first_wait: float = 0.5


PATIENT = Patience()
# Where silence is an answer too.
ONCE = Patience(timeout=5, attempts=1)


def get(url: str, headers: Mapping[str, str] | None = None, patience: Patience = PATIENT) -> Answer:
    """Ask for `url`, again when the connection fails or a gateway answers for the peer; follows no redirect.

    Raises UnreachableError when nothing answers, or the answer is larger than MAX_ANSWER_BYTES.
    """
    harmless = retry_if_exception_type(httpx2.TransportError) | retry_if_result(
        lambda answer: answer.status in _PASSING_STATUSES
    )
    return _repeat(lambda client: client.build_request("GET", url, headers=headers), url, patience, harmless)


def post_json(url: str, document: Mapping[str, str], shown_as: str, patience: Patience = PATIENT) -> Answer:
    """Post `document` to a URL that is itself a secret: errors say `shown_as` in its place."""
    harmless = retry_if_exception_type(httpx2.TransportError) | retry_if_result(
        lambda answer: answer.status in _PASSING_STATUSES
    )
    return _repeat(lambda client: client.build_request("POST", url, json=document), shown_as, patience, harmless)


def post_form(url: str, form: Mapping[str, str], patience: Patience = PATIENT) -> Answer:
    """Post `form`, again only when no connection was made: a wrong password must not count twice."""
    never_sent = retry_if_exception_type((httpx2.ConnectError, httpx2.ConnectTimeout))
    return _repeat(lambda client: client.build_request("POST", url, data=form), url, patience, never_sent)


def _repeat(
    make_request: Callable[[httpx2.Client], httpx2.Request], shown_as: str, patience: Patience, again: retry_base
) -> Answer:
    attempts = Retrying(
        stop=stop_after_attempt(patience.attempts),
        wait=wait_exponential(multiplier=patience.first_wait, max=10),
        retry=again,
        retry_error_callback=_last_outcome,
    )
    try:
        with httpx2.Client(timeout=patience.timeout, follow_redirects=False) as client:
            return attempts(lambda: _send(client, make_request(client), shown_as))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        # The text of the library's error may repeat the request; its type tells enough.
        raise UnreachableError(f"{shown_as} did not answer ({type(error).__name__})") from None


def _last_outcome(state: RetryCallState) -> Answer:
    assert state.outcome is not None  # noqa: S101 - tenacity sets it before it calls back
    outcome: Answer = state.outcome.result()
    return outcome


def _send(client: httpx2.Client, request: httpx2.Request, shown_as: str) -> Answer:
    response = client.send(request, stream=True)
    try:
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise UnreachableError(
                    f"{shown_as} answered more than {MAX_ANSWER_BYTES} bytes; this is no peer of ours: check the URL"
                )
    finally:
        response.close()
    return Answer(
        status=response.status_code,
        content=bytes(content),
        content_type=response.headers.get("content-type", ""),
        location=response.headers.get("location", ""),
    )
