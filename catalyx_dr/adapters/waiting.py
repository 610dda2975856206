"""Waiting for a condition of an outside system."""

from collections.abc import Callable
from datetime import timedelta

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, stop_never, wait_fixed

_POLL_SECONDS = 0.5


def came_true(condition: Callable[[], bool], patience: timedelta | None) -> bool:
    """Ask twice a second; False when `patience` runs out first (None: never). What `condition` raises ends the wait."""
    attempts = Retrying(
        stop=stop_after_delay(patience) if patience is not None else stop_never,
        wait=wait_fixed(_POLL_SECONDS),
        retry=retry_if_result(lambda done: not done),
    )
    try:
        return attempts(condition)
    except RetryError:
        return False
