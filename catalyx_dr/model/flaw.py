"""What a verification finds: one flaw at a time, with what follows from it."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """What follows from a flaw. Only ODD lets a verification pass."""

    DAMAGED = "damaged"  # the capture is marked; no restore chooses it, no retention counts it
    HEADLESS = "headless"  # the same without a mark: its manifest alone is not there, and makes it a set again
    LOST = "lost"  # its record says where it should be, and it is not there
    UNREAD = "unread"  # it could not be read, which tells nothing of it
    UNTRUE = "untrue"  # the store's listing contradicts what the store holds
    MISSED = "missed"  # no proven capture is young enough
    ODD = "odd"  # a person should know; nothing is wrong with any capture


@dataclass(frozen=True)
class Flaw:
    """One flaw of one capture (its id; empty: of a whole place) at one place."""

    grade: Grade
    place: str
    capture: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}{f' {self.capture}' if self.capture else ''}: {self.text}"
