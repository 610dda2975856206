"""How a stack file changes severities: lowered only with a written reason, raised by naming the rule."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from catalyx_dr.model.environment_spec import EnvironmentSpec, Waiver
from catalyx_dr.rules.policy.finding import Finding, Found, RuleText, Severity, finding

UNUSED = RuleText(
    "DR099",
    "Waivers are used",
    "warning",
    "A waiver that matches nothing hides the next finding of that kind. One that names no rule is a slip.",
    "policy of this project",
)


def waived(findings: Iterable[Finding], spec: EnvironmentSpec) -> tuple[Finding, ...]:
    """Raise and lower the findings as `spec` says; a waiver wins over a raise, since it has a reason."""
    return tuple(_judged(found, spec) for found in findings)


def unused(
    findings: Iterable[Finding], spec: EnvironmentSpec, known: frozenset[str], looked_at: frozenset[str]
) -> Iterator[Finding]:
    """Waivers and raises that name no rule of `known`, and waivers of a rule in `looked_at` that match no finding."""
    present = tuple(findings)
    named = [(f"waivers[{place}].finding", waiver.finding) for place, waiver in enumerate(spec.waivers)]
    named += [(f"raised[{place}]", rule_id) for place, rule_id in enumerate(spec.raised)]
    for path, rule_id in named:
        if rule_id not in known:
            remedy = "write the id of a rule, as docs/policy.md lists them"
            yield finding(UNUSED, Found(Severity.WARNING, path, None, f"{rule_id} is no rule", remedy))
    for place, waiver in enumerate(spec.waivers):
        if waiver.finding in looked_at and not any(_covers(waiver, found) for found in present):
            reason = f"nothing is found by {waiver.finding}" + (f" in {waiver.validator}" if waiver.validator else "")
            found = Found(Severity.WARNING, f"waivers[{place}]", waiver.validator, reason, "remove the waiver")
            yield finding(UNUSED, found)


def _judged(found: Finding, spec: EnvironmentSpec) -> Finding:
    for waiver in spec.waivers:
        if _covers(waiver, found):
            return replace(found, severity=Severity.WARNING, waived=waiver.reason)
    return replace(found, severity=Severity.ERROR) if found.id in spec.raised else found


def _covers(waiver: Waiver, found: Finding) -> bool:
    return waiver.finding == found.id and (waiver.validator is None or waiver.validator == found.validator)
