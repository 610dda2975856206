"""What a policy is made of: rules with stable ids, the stack they look at, and the findings they make."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.environment_spec import Environment, EnvironmentSpec
from catalyx_dr.model.run_schedule import CaptureSchedule, RunSchedule
from catalyx_dr.model.validator_spec import ValidatorSpec


class Severity(StrEnum):
    """An error stops the program; a warning is shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Stack:
    """A stack under review at a moment (with a time zone)."""

    spec: EnvironmentSpec
    now: datetime

    @property
    def strict(self) -> bool:
        """Production and critical, where a loss is a loss."""
        return self.spec.environment in (Environment.PRODUCTION, Environment.CRITICAL)

    @property
    def is_development(self) -> bool:
        """Where nothing is lost that matters."""
        return self.spec.environment is Environment.DEVELOPMENT

    @property
    def environment(self) -> Environment:
        """Its kind of environment."""
        return self.spec.environment

    def validators(self) -> Iterator[tuple[str, ValidatorSpec]]:
        """Every validator with its path in the stack file."""
        for place, validator in enumerate(self.spec.validators):
            yield f"validators[{place}]", validator

    def buckets(self) -> Iterator[tuple[str, ValidatorSpec, BackupBucket]]:
        """Every validator's bucket with its path."""
        for path, validator in self.validators():
            if validator.backup is not None and validator.backup.bucket is not None:
                yield f"{path}.backup.bucket", validator, validator.backup.bucket

    def schedules(self) -> Iterator[tuple[str, ValidatorSpec, CaptureSchedule]]:
        """Every schedule, of backups and of identity dumps, with its path."""
        for path, validator in self.validators():
            if validator.backup is not None:
                yield f"{path}.backup", validator, validator.backup
            if validator.identity_dump is not None:
                yield f"{path}.identityDump", validator, validator.identity_dump

    def runs(self) -> Iterator[tuple[str, ValidatorSpec, RunSchedule]]:
        """Every schedule, those of verifications and drills too, with its path."""
        yield from self.schedules()
        for path, validator in self.validators():
            if validator.verification is not None:
                yield f"{path}.verification", validator, validator.verification
            if validator.drill is not None:
                yield f"{path}.drill", validator, validator.drill

    def severity(self) -> Severity:
        """Error where it is strict, else warning."""
        return Severity.ERROR if self.strict else Severity.WARNING


@dataclass(frozen=True)
class Found:
    """What a rule found: where, what, and the way out; `validator` is None when it concerns the whole stack."""

    severity: Severity
    path: str
    validator: str | None
    reason: str
    remedy: str


@dataclass(frozen=True)
class RuleText:
    """A rule as its page tells of it; `severity` in words, since it can depend on the environment."""

    id: str
    title: str
    severity: str
    why: str
    source: str


@dataclass(frozen=True)
class Rule:
    """A rule that looks at a stack file alone."""

    text: RuleText
    check: Callable[[Stack], Iterable[Found]]


@dataclass(frozen=True)
class Finding:
    """A finding with its rule; `waived` is the written reason that lowered it."""

    rule: RuleText
    severity: Severity
    path: str
    validator: str | None
    reason: str
    remedy: str
    waived: str | None = None

    @property
    def id(self) -> str:
        """Stable id of its rule."""
        return self.rule.id

    @property
    def text(self) -> str:
        """All but the severity, for a place that shows that by itself."""
        waived = f" [waived: {self.waived}]" if self.waived else ""
        return f"{self.id} {self.path}: {self.reason}; {self.remedy} ({self.rule.source}){waived}"

    def __str__(self) -> str:
        return f"{self.severity} {self.text}"


Check = Callable[[Stack], Iterable[Found]]


def rule(rule_id: str, title: str, *, severity: str, why: str, source: str) -> Callable[[Check], Rule]:
    """Make a rule of a check."""
    text = RuleText(rule_id, title, severity, why, source)
    return lambda check: Rule(text, check)


def finding(text: RuleText, found: Found) -> Finding:
    """Join what was found with the rule that found it."""
    return Finding(text, found.severity, found.path, found.validator, found.reason, found.remedy)
