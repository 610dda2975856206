"""A capture (backup set or identity dump) as retention and recovery look at it, in one place where it is kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from catalyx_dr.model.capture_id import captured_at


@dataclass(frozen=True)
class Capture:
    """One capture at one destination; `taken`: the state it holds, `locked_until`: object lock of its bucket copy.

    `stranger`: whose it is, when it is of another validator, or why that cannot be told; then it is not proven here.
    """

    identifier: str
    taken: datetime
    proven: bool
    bytes: int = 0
    locked_until: datetime | None = None
    stranger: str = ""
    participant_id: str | None = None

    @classmethod
    def named(cls, identifier: str, *, proven: bool = True, size: int = 0) -> "Capture":
        """Capture whose id tells when it was taken; `size` in bytes; raises ValueError for what is no id."""
        return cls(identifier, captured_at(identifier), proven, size)

    def age(self, now: datetime) -> timedelta:
        """Time since the state that it holds."""
        return now - self.taken

    def locked(self, now: datetime) -> bool:
        """Tell whether the store would refuse to delete it."""
        return self.locked_until is not None and self.locked_until > now
