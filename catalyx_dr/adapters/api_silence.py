"""Bearing that the Kubernetes API is silent for a while: it is restarted, upgraded, or out of reach."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import httpx2
from tenacity import RetryCallState, Retrying, stop_after_delay, wait_fixed

from catalyx_dr.model.errors import RefusedError, UnreachableError

# A managed control plane takes some minutes for an upgrade; the databases and their Job need nothing of it meanwhile.
API_SILENCE = timedelta(minutes=5)
# How long a server that has just come back may refuse whom it does not know yet.
_SETTLING = timedelta(seconds=30)
_POLL_SECONDS = 1.0
_NOT_NOW = frozenset({429, 503})
_TROUBLED = frozenset({500, 502, 504})
_NOT_KNOWN = frozenset({401, 403})
_Answer = TypeVar("_Answer")


def bear_silence(ask: Callable[[], _Answer], say: Callable[[str], None]) -> _Answer:
    """What `ask` returns, asked again while the API is silent; the last error when it stays so beyond API_SILENCE.

    A refusal that follows a silence counts as one: a server that has just come back does not know everybody yet.
    """
    silent_since: float | None = None
    while True:
        try:
            return ask()
        except (UnreachableError, RefusedError) as error:
            now = time.monotonic()
            if silent_since is None:
                if isinstance(error, RefusedError):
                    raise
                silent_since = now
                say("the Kubernetes API does not answer; what runs in the cluster goes on, and is watched when it does")
            elif now - silent_since > API_SILENCE.total_seconds():
                raise
        time.sleep(_POLL_SECONDS)


class PatientTransport(httpx2.BaseTransport):
    """Sends a request again while the API is silent, when that can do no harm; `say` is told once a silence.

    What was not received can be sent again; what may have been done already only when twice does the same as once.
    """

    def __init__(self, way: httpx2.BaseTransport, patience: timedelta, say: Callable[[str], None]) -> None:
        self._way = way
        self._patience = patience
        self._say = say
        self._silent_at: float | None = None
        self._told = False

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer of the API; raises what the last attempt raised when `patience` is over."""

        def again(state: RetryCallState) -> bool:
            outcome = state.outcome
            if outcome is None:
                return False
            error = outcome.exception()
            wanted = self._is_silence(request, error) if error else self._is_unready(request, outcome.result())
            self._told = self._told and wanted
            return wanted

        attempts = Retrying(
            stop=stop_after_delay(self._patience),
            wait=wait_fixed(_POLL_SECONDS),
            retry=again,
            before_sleep=lambda _: self._tell(),
            retry_error_callback=_last,
        )
        return attempts(self._way.handle_request, request)

    def close(self) -> None:
        """Let go of the connections."""
        self._way.close()

    def _is_silence(self, request: httpx2.Request, error: BaseException) -> bool:
        if not isinstance(error, httpx2.TransportError):
            return False
        self._silent_at = time.monotonic()
        return isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout) or _may_be_done_twice(request)

    def _is_unready(self, request: httpx2.Request, response: httpx2.Response) -> bool:
        status = response.status_code
        if status in _NOT_NOW or (status in _TROUBLED and _may_be_done_twice(request)):
            self._silent_at = time.monotonic()
        elif status not in _NOT_KNOWN or not self._has_just_come_back():
            return False
        response.read()
        return True

    def _has_just_come_back(self) -> bool:
        return self._silent_at is not None and time.monotonic() - self._silent_at < _SETTLING.total_seconds()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            seconds = int(self._patience.total_seconds())
            self._say(f"the Kubernetes API does not answer; it is asked again for up to {seconds} s")


def _may_be_done_twice(request: httpx2.Request) -> bool:
    """Tell whether a request that was received already can be sent again; a JSON Patch would add what it adds twice."""
    if request.method == "PATCH":
        return "json-patch" not in request.headers.get("Content-Type", "")
    return request.method in ("GET", "PUT", "DELETE")


def _last(state: RetryCallState) -> httpx2.Response:
    if state.outcome is None:
        raise RuntimeError("there was no attempt")
    response: httpx2.Response = state.outcome.result()
    return response
