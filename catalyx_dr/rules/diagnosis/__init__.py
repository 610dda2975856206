"""Diagnoses: rules over facts that were collected from a live cluster, each with cause and remedy."""

from catalyx_dr.rules.diagnosis import captures, jobs, schedules, secrets, storage, validator
from catalyx_dr.rules.diagnosis.diagnosis import Diagnosis
from catalyx_dr.rules.diagnosis.facts import ClusterFacts

__all__ = ["ClusterFacts", "Diagnosis", "diagnose"]

# What lies beneath comes first: a late schedule explains an old capture, not the other way round.
_GROUPS = (schedules, secrets, storage, jobs, validator, captures)


def diagnose(facts: ClusterFacts) -> tuple[Diagnosis, ...]:
    """Every diagnosis, one row each, without repetition."""
    found = (diagnosis for group in _GROUPS for rule in group.RULES for diagnosis in rule(facts))
    return tuple(dict.fromkeys(found))
