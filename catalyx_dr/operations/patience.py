"""How long a recovery waits for what it does not do itself."""

from dataclasses import dataclass
from datetime import timedelta


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
