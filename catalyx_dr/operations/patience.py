"""How long a recovery waits for what it does not do itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from catalyx_dr.model.errors import CatalyxDrError, EndedError, UnreachableError

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Patience:
    """`stopped`: for pods to end; `unused`: for sessions to leave a database; `ready`: for pods; `answer`: of an API.

    `person`: for values that somebody applies by hand.
    """

    stopped: timedelta = timedelta(minutes=5)
    unused: timedelta = timedelta(minutes=2)
    ready: timedelta = timedelta(minutes=15)
    answer: timedelta = timedelta(minutes=2)
    person: timedelta = timedelta(hours=4)


PATIENT = Patience()


def persistently(ask: Callable[[], _Answer], patience: timedelta) -> _Answer:
    """Ask again while nobody answers, as long as `patience`; the last error is the one to report."""
    attempts = Retrying(
        stop=stop_after_delay(patience),
        wait=wait_fixed(1),
        retry=retry_if_exception_type(UnreachableError),
        reraise=True,
    )
    return attempts(ask)


@contextmanager
def undone_on_failure(
    undo: Callable[[], None], patience: timedelta, note: Callable[[str], None], what: str
) -> Iterator[None]:
    """Call `undo` when the block fails, and tell where that failed too; `what` is to be run again then."""
    try:
        yield
    except BaseException as failure:
        try:
            # A server that has just been started again is waited for, unless this run is ended itself.
            persistently(undo, timedelta() if isinstance(failure, EndedError) else patience)
        except CatalyxDrError as error:
            note(f"attention: the workloads may be stopped; run the same {what} again: {error}")
        raise
