"""Secrets that the Jobs read: absent, or without the keys that are read (domain 1.6)."""

from collections import defaultdict
from collections.abc import Iterator

from catalyx_dr.model.identity_dump import SECRET_KEY
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import RecordKind, RecordStatus
from catalyx_dr.rules.diagnosis.diagnosis import Diagnosis, Rule
from catalyx_dr.rules.diagnosis.facts import ClusterFacts


def needed(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Every key that a Job reads is there."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for one in facts.needed_secrets:
        wanted[one.name].add(one.key)
    for found in facts.secrets:
        lacking = sorted(wanted.get(found.name, set()) - (found.keys or frozenset()))
        if found.keys is None and lacking:
            yield Diagnosis(
                "secret-missing",
                f"Secret {found.name}",
                f"it is not there; {', '.join(lacking)} are read from it",
                "the validator's Secrets were removed, or the stack file names another",
                "create it again from where your passwords are kept; a recovery needs the same values as before",
            )
        elif lacking:
            yield Diagnosis(
                "secret-keys",
                f"Secret {found.name}",
                f"no value under {', '.join(lacking)}; it has {', '.join(sorted(found.keys or ())) or 'none'}",
                "its keys have other names than the stack file says (Splice and CatalyX name them differently)",
                "add the keys, or name the present ones in the stack file",
            )


def dumps(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Every dump that history lists in the cluster is there."""
    keys = {found.name: found.keys for found in facts.secrets}
    for record in facts.of_kind(RecordKind.IDENTITY_DUMP):
        name = ObjectNames.of(facts.spec).identity_dump_secret(record.identifier)
        if record.status is not RecordStatus.COMPLETED or "cluster" not in record.locations or name not in keys:
            continue
        if SECRET_KEY not in (keys[name] or ()):
            yield Diagnosis(
                "dump-missing",
                f"Secret {name}",
                f"identity dump {record.identifier} is listed, its Secret is gone",
                "it was deleted by hand, or the namespace was made anew",
                f"catalyx-dr run identity-dump -n {facts.spec.namespace}; older dumps are in the bucket",
            )


RULES: tuple[Rule, ...] = (needed, dumps)
