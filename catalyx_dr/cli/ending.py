"""SIGTERM ends a command as an error does: with a record that says so, and nothing half done that looks whole.

A pod gets it when it is deleted, when its node is drained, and when the Job's deadline has passed; half a minute later
the pod is killed.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from catalyx_dr.model.errors import EndedError


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Raise EndedError in the block, once, when the process gets SIGTERM."""

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise EndedError(
            "the run was ended from outside: its pod was deleted, its node was drained, or its deadline has passed "
            "(SIGTERM); nothing of it is listed, and the next run cleans up"
        )

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
