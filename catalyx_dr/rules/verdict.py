"""Verdicts of a preflight: what was looked at, what was found, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from catalyx_dr.model.errors import RefusedError


class Outcome(StrEnum):
    """How a verdict ends."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARNING = "warning"
    REFUSAL = "refusal"


@dataclass(frozen=True)
class Verdict:
    """One named check; `remedy` is empty when there is nothing to do."""

    name: str
    outcome: Outcome
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.outcome}: {self.name}: {self.found}" + (f"; {self.remedy}" if self.remedy else "")


def passed(name: str, found: str) -> Verdict:
    """A check that found what it must."""
    return Verdict(name, Outcome.PASS, found)


def warning(name: str, found: str, remedy: str) -> Verdict:
    """A check that found what a person should know."""
    return Verdict(name, Outcome.WARNING, found, remedy)


def refusal(name: str, found: str, remedy: str) -> Verdict:
    """A check that stops the operation before anything is touched."""
    return Verdict(name, Outcome.REFUSAL, found, remedy)


def require(verdicts: Iterable[Verdict]) -> None:
    """Raise RefusedError with every refusal among the verdicts, a line each."""
    refusals = [str(verdict) for verdict in verdicts if verdict.outcome is Outcome.REFUSAL]
    if refusals:
        raise RefusedError("nothing was touched, because preflight refused:\n" + "\n".join(refusals))
