"""Waiting for a condition with a deadline."""

import time
from collections.abc import Callable

from dev.steps import StepError

POLL_SECONDS = 0.1


def wait_until(condition: Callable[[], bool], what: str, seconds: float, advice: str) -> None:
    """Return as soon as the condition holds. Raises StepError when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StepError(f"{what} did not happen within {seconds:.0f} s. {advice}")
        time.sleep(POLL_SECONDS)
