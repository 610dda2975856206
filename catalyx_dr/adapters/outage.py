"""Patience with a store that is away for a while: what was asked is asked again until it answers, or time is up."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Lock
from time import monotonic
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_fixed,
)
from tenacity.stop import stop_base

from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.errors import UnreachableError

_PAUSE_SECONDS = 2.0
Answer = TypeVar("Answer")


def silent(_text: str) -> None:
    """Say nothing: for those who only look."""


class Outages:
    """Outages of one store, waited for in whichever threads meet them, and told of once each by `say`."""

    def __init__(self, store: str, patience: timedelta, say: Callable[[str], None]) -> None:
        self._store, self._patience, self._say = store, patience, say
        self._since: float | None = None
        self._telling = Lock()

    def outlast(self, ask: Callable[[], Answer], given_up: Event) -> Answer:
        """Answer of `ask`, which is repeated while the store is away.

        Raises the last UnreachableError once the patience is over, counted from the first failure, or `given_up` is
        set; any other error at once.
        """
        answer = Retrying(
            retry=retry_if_exception_type(UnreachableError),
            stop=_LongerThan(self._patience) | stop_when_event_set(given_up),
            wait=wait_fixed(_PAUSE_SECONDS),
            sleep=sleep_using_event(given_up),
            before_sleep=self._begun,
            reraise=True,
        )(ask)
        self._ended()
        return answer

    def _begun(self, state: RetryCallState) -> None:
        with self._telling:
            if self._since is not None:
                return
            self._since = monotonic()
        fault = state.outcome.exception() if state.outcome else None
        self._say(f"{fault}; the upload waits, for {format_duration(self._patience)} at the most")

    def _ended(self) -> None:
        with self._telling:
            if self._since is None:
                return
            waited, self._since = monotonic() - self._since, None
        self._say(f"{self._store} answers again after {waited:.0f} s; the upload goes on")


class _LongerThan(stop_base):
    """Stop when the first failure is that long ago; a request that took long before it failed has lost nothing."""

    def __init__(self, patience: timedelta) -> None:
        self._patience = patience.total_seconds()
        self._failed_first: float | None = None

    def __call__(self, _state: RetryCallState) -> bool:
        now = monotonic()
        if self._failed_first is None:
            self._failed_first = now
        return now - self._failed_first >= self._patience
