"""One diagnosis: what is wrong, where it shows, why, and what mends it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from catalyx_dr.rules.diagnosis.facts import ClusterFacts


@dataclass(frozen=True)
class Diagnosis:
    """`name` is stable, `subject` the object or field; `remedy` says what to do, with commands where there are some."""

    name: str
    subject: str
    found: str
    cause: str
    remedy: str


Rule = Callable[[ClusterFacts], Iterator[Diagnosis]]
