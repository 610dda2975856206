"""The dump: as it was received, and of the validator that the stack declares."""

import hashlib
from datetime import timedelta

from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.identity_dump import KeyKind, KmsKey
from catalyx_dr.rules.identity_preflight.facts import ImportFacts
from catalyx_dr.rules.verdict import Verdict, passed, refusal, warning

# A dump stays valid while its keys and topology do; an old one may lack what was changed since.
OLD_DUMP = timedelta(days=30)


def dump_intact(facts: ImportFacts) -> Verdict | None:
    """Bytes and participant id are those that were recorded when the dump was taken."""
    name = "dump-intact"
    if facts.content is None or facts.dump is None or facts.metadata is None:
        return None
    if hashlib.sha256(facts.content).hexdigest() != facts.metadata.sha256:
        return refusal(name, f"dump {facts.metadata.dump_id} is not what was recorded (SHA-256)", "choose another dump")
    if facts.dump.id != facts.metadata.participant_id:
        return refusal(
            name,
            f"the dump is of {facts.dump.id}, its metadata says {facts.metadata.participant_id}",
            "choose another dump",
        )
    return passed(name, f"dump {facts.metadata.dump_id} of {facts.dump.id} is as it was received")


def dump_of_this_validator(facts: ImportFacts) -> Verdict | None:
    """A dump of another validator would bring another party."""
    if facts.metadata is None:
        return None
    name, found = "dump-of-this-validator", facts.metadata.validator
    if found != facts.spec.name:
        return refusal(name, f"the dump is of validator {found!r}", f"choose a dump of {facts.spec.name!r}")
    return passed(name, f"the dump is of {found}")


def party_hint(facts: ImportFacts) -> Verdict | None:
    """With another hint the validator would ask for another party."""
    if facts.metadata is None:
        return None
    return _same("party-hint", "partyHint", facts.spec.party_hint, facts.metadata.party_hint)


def migration_configuration(facts: ImportFacts) -> Verdict | None:
    """The vendor's guide asks for the same migration configuration."""
    if facts.metadata is None:
        return None
    return _same("migration-id", "migrationId", facts.spec.migration_id, facts.metadata.migration_id)


def _same(name: str, field: str, declared: str | int, dumped: str | int) -> Verdict:
    if declared != dumped:
        return refusal(name, f"the stack says {declared!r}, the dump {dumped!r}", f"set {field}: {dumped}")
    return passed(name, f"{declared} in stack and dump")


def key_kind(facts: ImportFacts) -> Verdict | None:
    """A dump with KMS keys holds only references: the import needs the same KMS (domain 4)."""
    name, external = "key-kind", facts.spec.external_kms
    if facts.metadata is None:
        return None
    kind = facts.dump.key_kind if facts.dump else facts.metadata.key_kind
    if (kind is KeyKind.KMS) != external:
        return refusal(
            name,
            f"the dump's keys are {'in a KMS' if kind is KeyKind.KMS else 'in the dump itself'}, the stack says "
            f"externalKms: {str(external).lower()}",
            "set the participant up as the dumped one was; keys cannot go from one kind to the other",
        )
    if kind is KeyKind.KMS:
        return warning(
            name, f"the dump refers to {_kms_keys(facts)}", "make sure that these keys still exist and may be used"
        )
    return passed(name, f"{facts.metadata.key_count} keys in the dump itself")


def _kms_keys(facts: ImportFacts) -> str:
    """The references themselves: they are no secrets, and a person has to look them up in the KMS."""
    if facts.dump is None:
        return "keys in a KMS"
    return ", ".join(f"{key.name} {key.key_id}" for key in facts.dump.keys if isinstance(key, KmsKey))


def dump_age(facts: ImportFacts) -> Verdict | None:
    """Keys and topology that changed since are not in the dump."""
    if facts.metadata is None:
        return None
    name, age = "dump-age", facts.now - facts.metadata.taken
    shown = f"the dump is {format_duration(timedelta(seconds=max(0, int(age.total_seconds()))))} old"
    if age > OLD_DUMP:
        return warning(name, shown, "make sure that keys were not rotated since; prefer the newest dump")
    return passed(name, shown)
