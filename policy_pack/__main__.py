"""The policy as a Pulumi policy pack: `pulumi preview --policy-pack policy_pack`, or published for an organization.

The program stops at the same findings by itself. A pack also holds where the program is not trusted to.
"""

from collections.abc import Mapping

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)

from catalyx_dr.model.errors import SpecError
from catalyx_dr.rules.policy import Finding, errors, findings
from catalyx_dr.rules.policy.registry import FILE_RULES
from components.stack_configuration import environment_of_stack


def judged() -> tuple[Mapping[str, list[Finding]], str]:
    """Findings of the stack's configuration by rule, and what is wrong with the configuration itself."""
    try:
        found = findings(environment_of_stack())
    except SpecError as error:
        return {}, str(error)
    return {text.id: [one for one in found if one.id == text.id] for text in FILE_RULES}, ""


def policy(name: str, description: str, messages: list[str], mandatory: bool) -> StackValidationPolicy:
    """A policy that reports what was found already; the engine asks it once a run."""

    def report(_stack: StackValidationArgs, report_violation: ReportViolation) -> None:
        for message in messages:
            report_violation(message, None)

    level = EnforcementLevel.MANDATORY if mandatory else EnforcementLevel.ADVISORY
    return StackValidationPolicy(name=name, description=description, validate=report, enforcement_level=level)


by_rule, faults = judged()
PolicyPack(
    name="catalyx-dr",
    policies=[
        policy("stack-file", "The stack file can be read", faults.splitlines(), mandatory=True),
        *(
            policy(
                text.id,
                text.title,
                [one.text for one in by_rule.get(text.id, ())],
                any(errors(by_rule.get(text.id, ()))),
            )
            for text in FILE_RULES
        ),
    ],
)
