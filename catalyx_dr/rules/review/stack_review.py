"""A review: a stack file, the version before it, and everything that is found in either, at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from catalyx_dr.model.environment_spec import EnvironmentSpec
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.rules.encrypted_values import PLACEHOLDER
from catalyx_dr.rules.policy.cluster_facts import ClusterFacts
from catalyx_dr.rules.policy.finding import Finding, Severity
from catalyx_dr.rules.policy.registry import change_findings, cluster_findings, errors, findings
from catalyx_dr.rules.recovery import RequestSight
from catalyx_dr.rules.review.engine_preview import EnginePreview


@dataclass(frozen=True)
class Base:
    """The version before, as `name` (a branch, a tag) stood for it; `problem` says why there is no `spec`."""

    name: str
    commit: str
    spec: EnvironmentSpec | None
    problem: str = ""


@dataclass(frozen=True)
class Observed:
    """What the cluster told: `volumes` by validator, `requests` by the model's name of their field.

    `unanswered` says what it did not tell, and why.
    """

    facts: ClusterFacts = field(default_factory=ClusterFacts)
    volumes: Mapping[str, Quantity] = field(default_factory=dict)
    requests: Mapping[str, RequestSight] = field(default_factory=dict)
    unanswered: str = ""


@dataclass(frozen=True)
class Review:
    """Everything that a page shows; all findings are judged already."""

    stack: str
    spec: EnvironmentSpec
    now: datetime
    base: Base | None = None
    encrypted: tuple[str, ...] = ()
    preview: EnginePreview | None = None
    observed: Observed | None = None
    findings: tuple[Finding, ...] = ()
    change_findings: tuple[Finding, ...] = ()

    @property
    def refused(self) -> bool:
        """Tell whether an error stands, or the engine's own preview failed."""
        return any(errors(self.findings)) or bool(self.preview and self.preview.failures)


def judged(review: Review) -> Review:
    """The same review with its findings, each told once."""
    before = review.base.spec if review.base else None
    changed = change_findings(before, review.spec, review.now) if before else ()
    previewed = review.preview.findings if review.preview else ()
    told = {(one.id, one.validator) for one in changed}
    changed = (*changed, *(one for one in previewed if (one.id, one.validator) not in told))
    seen = cluster_findings(review.spec, review.observed.facts, review.now) if review.observed else ()
    # What is quoted with an encrypted value was compared with what nobody here can read.
    alone = (one for one in findings(review.spec, review.now) if not PLACEHOLDER.search(one.reason))
    found = (*alone, *changed, *seen)
    return replace(review, findings=_ordered(found), change_findings=changed)


def _ordered(found: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda one: (one.severity is not Severity.ERROR, one.id)))
