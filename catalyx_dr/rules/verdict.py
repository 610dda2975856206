"""Verdicts of a preflight: what was looked at, what was found, what to do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import JsonValue

from catalyx_dr.model.environment_spec import VerdictOverride
from catalyx_dr.model.errors import RefusedError

# Name of a check -> why its refusal may never be overridden; None where a person may decide otherwise.
Checks = Mapping[str, str | None]


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

    @property
    def document(self) -> dict[str, JsonValue]:
        """For a record."""
        told: dict[str, JsonValue] = {"name": self.name, "outcome": str(self.outcome), "found": self.found}
        return {**told, "remedy": self.remedy} if self.remedy else told


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


def override_fault(name: str, checks: Checks) -> str | None:
    """Why the verdict of this name cannot be overridden; None when it can."""
    if name not in checks:
        allowed = ", ".join(one for one, never in checks.items() if never is None)
        return f"there is no verdict {name!r}; those that may be overridden: {allowed}"
    never = checks[name]
    return f"verdict {name!r} may never be overridden: {never}" if never else None


def overridden(
    verdicts: Iterable[Verdict], overrides: Iterable[VerdictOverride], checks: Checks
) -> tuple[Verdict, ...]:
    """Lower the refusals that a person has overridden, with the reason; raises RefusedError for one nobody may."""
    reasons = {one.verdict: one.reason for one in overrides}
    faults = [fault for name in reasons if (fault := override_fault(name, checks))]
    if faults:
        raise RefusedError("nothing was touched: " + "; ".join(faults))
    return tuple(
        replace(verdict, outcome=Outcome.WARNING, found=f"{verdict.found} (overridden: {reasons[verdict.name]})")
        if verdict.outcome is Outcome.REFUSAL and verdict.name in reasons
        else verdict
        for verdict in verdicts
    )
