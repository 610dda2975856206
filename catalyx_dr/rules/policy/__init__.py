"""The policy: rules with stable ids over a stack file, over a change of it, and over what a cluster shows."""

from catalyx_dr.rules.policy.cluster_facts import ClusterFacts
from catalyx_dr.rules.policy.finding import Finding, Severity
from catalyx_dr.rules.policy.registry import change_findings, cluster_findings, errors, findings, require_no_errors

__all__ = [
    "ClusterFacts",
    "Finding",
    "Severity",
    "change_findings",
    "cluster_findings",
    "errors",
    "findings",
    "require_no_errors",
]
