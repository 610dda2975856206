"""Every rule, and the findings they make of a stack."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain

from catalyx_dr.model.environment_spec import EnvironmentSpec
from catalyx_dr.model.errors import SpecError
from catalyx_dr.rules.policy import (
    bucket_access,
    databases,
    halves,
    kept_captures,
    neighbours,
    off_cluster,
    proofs,
    recoveries,
    schedules,
    settings,
    volume,
)
from catalyx_dr.rules.policy.changes import CHANGE_RULES
from catalyx_dr.rules.policy.cluster_facts import CLUSTER_RULES, ClusterFacts
from catalyx_dr.rules.policy.finding import Finding, Found, RuleText, Severity, Stack, finding
from catalyx_dr.rules.policy.waivers import UNUSED, unused, waived

RULES = tuple(
    chain(
        halves.RULES,
        databases.RULES,
        schedules.RULES,
        kept_captures.RULES,
        off_cluster.RULES,
        bucket_access.RULES,
        volume.RULES,
        settings.RULES,
        recoveries.RULES,
        neighbours.RULES,
        proofs.RULES,
    )
)
# Those that need nothing but a stack file.
FILE_RULES = (*(rule.text for rule in RULES), UNUSED)


def rule_texts() -> tuple[RuleText, ...]:
    """Texts of all rules, by id."""
    texts = [
        *FILE_RULES,
        *(rule.text for rule in CHANGE_RULES),
        *(rule.text for rule in CLUSTER_RULES),
    ]
    return tuple(sorted(texts, key=lambda text: text.id))


def findings(spec: EnvironmentSpec, now: datetime | None = None) -> tuple[Finding, ...]:
    """What the policy finds in a stack file alone, at `now` (with a time zone; absent: now), errors first."""
    stack = Stack(spec, now or datetime.now(UTC))
    found = waived((finding(rule.text, one) for rule in RULES for one in rule.check(stack)), spec)
    known = frozenset(text.id for text in rule_texts())
    looked_at = frozenset(rule.text.id for rule in RULES)
    return _ordered(chain(found, unused(found, spec, known, looked_at)))


def change_findings(
    before: EnvironmentSpec, after: EnvironmentSpec, now: datetime | None = None
) -> tuple[Finding, ...]:
    """What the policy finds in the change from one version of a stack file to the next."""
    stack = Stack(after, now or datetime.now(UTC))
    found = (finding(rule.text, one) for rule in CHANGE_RULES for one in rule.check(before, stack))
    return _ordered(waived(found, after))


def cluster_findings(spec: EnvironmentSpec, facts: ClusterFacts, now: datetime | None = None) -> tuple[Finding, ...]:
    """What the policy finds when it may also look at what was observed in the cluster."""
    stack = Stack(spec, now or datetime.now(UTC))
    found = (finding(rule.text, one) for rule in CLUSTER_RULES for one in rule.check(stack, facts))
    return _ordered(waived(found, spec))


def findings_of(found: Iterable[tuple[str, Found]], spec: EnvironmentSpec) -> tuple[Finding, ...]:
    """Findings that were made elsewhere, each by the id of its rule; waived and raised as `spec` says."""
    texts = {text.id: text for text in rule_texts()}
    return _ordered(waived((finding(texts[rule_id], one) for rule_id, one in found), spec))


def errors(found: Iterable[Finding]) -> Iterator[Finding]:
    """Those that stop the program."""
    return (one for one in found if one.severity is Severity.ERROR)


def require_no_errors(found: Iterable[Finding]) -> None:
    """Raise SpecError with a line for every error among the findings."""
    lines = [str(one) for one in errors(found)]
    if lines:
        raise SpecError("\n".join(lines))


def _ordered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda one: (one.severity is not Severity.ERROR, one.id)))
