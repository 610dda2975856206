"""Preflight of an identity import: every condition that is known before anything is touched (domain 1.3, 1.4, 4)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.identity_dump import IdentityDump, IdentityDumpMetadata, KeyKind
from catalyx_dr.model.validator_spec import CustomResourceTarget, ValidatorSpec
from catalyx_dr.rules.identity import fingerprint_of, identifier_of, node_identifier
from catalyx_dr.rules.verdict import Verdict, passed, refusal, warning

# A dump stays valid while its keys and topology do; an old one may lack what was changed since.
OLD_DUMP = timedelta(days=30)


@dataclass(frozen=True)
class ImportFacts:
    """What was looked up, read-only.

    `used_identifiers`: each with where it was found; `latest_participant_id`: of the newest proven dump or import;
    `unproven_imports`: participants as which the validator was started since the dump, without being proven.
    """

    spec: ValidatorSpec
    new_identifier: str
    content: bytes = field(repr=False)
    dump: IdentityDump
    metadata: IdentityDumpMetadata
    used_identifiers: Mapping[str, str]
    present_participant_id: str | None
    latest_participant_id: str | None
    unproven_imports: tuple[str, ...]
    missing_workloads: tuple[str, ...]
    database_obstacles: tuple[str, ...]
    answers_now: bool
    login_faults: Mapping[str, str]
    wallet_login_declared: bool
    now: datetime


def import_verdicts(facts: ImportFacts) -> tuple[Verdict, ...]:
    """Every verdict, in the order in which people read them."""
    checks = (
        dump_intact,
        dump_of_this_validator,
        identifier_unused,
        party_place,
        party_hint,
        migration_configuration,
        key_kind,
        dump_age,
        present_identity,
        workloads,
        databases,
        node_identifier_rule,
        machine_login,
        wallet_login,
        what_does_not_come_back,
    )
    return tuple(check(facts) for check in checks)


def dump_intact(facts: ImportFacts) -> Verdict:
    """Bytes and participant id are those that were recorded when the dump was taken."""
    name = "dump-intact"
    if hashlib.sha256(facts.content).hexdigest() != facts.metadata.sha256:
        return refusal(name, f"dump {facts.metadata.dump_id} is not what was recorded (SHA-256)", "choose another dump")
    if facts.dump.id != facts.metadata.participant_id:
        return refusal(
            name,
            f"the dump is of {facts.dump.id}, its metadata says {facts.metadata.participant_id}",
            "choose another dump",
        )
    return passed(name, f"dump {facts.metadata.dump_id} of {facts.dump.id} is as it was received")


def dump_of_this_validator(facts: ImportFacts) -> Verdict:
    """A dump of another validator would bring another party."""
    name, found = "dump-of-this-validator", facts.metadata.validator
    if found != facts.spec.name:
        return refusal(name, f"the dump is of validator {found!r}", f"choose a dump of {facts.spec.name!r}")
    return passed(name, f"the dump is of {found}")


def identifier_unused(facts: ImportFacts) -> Verdict:
    """The network knows a participant by identifier and namespace for ever: an identifier works once."""
    name, wanted = "identifier-unused", facts.new_identifier
    where = {
        **facts.used_identifiers,
        facts.dump.identifier: f"the dump's participant {facts.dump.id}",
        facts.spec.node_identifier: "the stack's nodeIdentifier",
    }
    if facts.present_participant_id:
        present = facts.present_participant_id
        where[identifier_of(present)] = f"the present participant {present}"
    if wanted in where:
        return refusal(
            name,
            f"newParticipantIdentifier {wanted!r} was used before: {where[wanted]}",
            "choose one that was never used; a number or date at its end keeps it readable",
        )
    return passed(name, f"{wanted!r} is in no record, no dump and not in the participant's database")


def party_place(facts: ImportFacts) -> Verdict:
    """An import moves only the parties of the participant that the dump's id names (domain 4)."""
    name, dump, latest = "party-place", facts.dump, facts.latest_participant_id
    if latest and latest != dump.id and fingerprint_of(latest) == dump.fingerprint:
        return refusal(
            name,
            f"the dump is of {dump.id}, the party is with {latest} since",
            f"choose a dump that was taken of {latest}, or this one with its id changed to that",
        )
    if facts.unproven_imports:
        return warning(
            name,
            f"the validator was started as {' and '.join(facts.unproven_imports)} since, without being proven",
            "if its log says that the party was moved, use a dump of that participant, or this one with its id changed",
        )
    return passed(name, f"nothing is known of a move of the party from {dump.id}")


def party_hint(facts: ImportFacts) -> Verdict:
    """With another hint the validator would ask for another party."""
    name, declared, dumped = "party-hint", facts.spec.party_hint, facts.metadata.party_hint
    if declared != dumped:
        return refusal(name, f"the stack says {declared!r}, the dump {dumped!r}", f"set partyHint: {dumped}")
    return passed(name, f"{declared} in stack and dump")


def migration_configuration(facts: ImportFacts) -> Verdict:
    """The vendor's guide asks for the same migration configuration."""
    name, declared, dumped = "migration-id", facts.spec.migration_id, facts.metadata.migration_id
    if declared != dumped:
        return refusal(name, f"the stack says {declared}, the dump {dumped}", f"set migrationId: {dumped}")
    return passed(name, f"{declared} in stack and dump")


def key_kind(facts: ImportFacts) -> Verdict:
    """A dump with KMS keys holds only references: the import needs the same KMS (domain 4)."""
    name, kind, external = "key-kind", facts.dump.key_kind, facts.spec.external_kms
    if (kind is KeyKind.KMS) != external:
        return refusal(
            name,
            f"the dump's keys are {'in a KMS' if kind is KeyKind.KMS else 'in the dump itself'}, the stack says "
            f"externalKms: {str(external).lower()}",
            "set the participant up as the dumped one was; keys cannot go from one kind to the other",
        )
    if kind is KeyKind.KMS:
        return warning(
            name, "the dump refers to keys in a KMS", "make sure that these keys still exist and may be used"
        )
    return passed(name, f"{len(facts.dump.keys)} keys in the dump itself")


def dump_age(facts: ImportFacts) -> Verdict:
    """Keys and topology that changed since are not in the dump."""
    name, age = "dump-age", facts.now - facts.metadata.taken
    shown = f"the dump is {format_duration(timedelta(seconds=max(0, int(age.total_seconds()))))} old"
    if age > OLD_DUMP:
        return warning(name, shown, "make sure that keys were not rotated since; prefer the newest dump")
    return passed(name, shown)


def present_identity(facts: ImportFacts) -> Verdict:
    """A participant that is still there: of the same keys it is replaced, of other keys something is mixed up."""
    name, present = "present-identity", facts.present_participant_id
    if present and fingerprint_of(present) != facts.dump.fingerprint:
        return warning(
            name,
            f"the present participant {present} has other keys than the dump",
            "it was perhaps set up anew after the loss; its databases are set aside, not dropped",
        )
    if facts.answers_now:
        return warning(
            name,
            "the validator answers and is ready now",
            "an import is for a lost participant; it is stopped, and its databases are set aside, not dropped",
        )
    return passed(name, f"the participant's database holds {present}" if present else "no participant is there")


def workloads(facts: ImportFacts) -> Verdict:
    """Splice's workloads are restarted with the values; the vendor's resource must be deleted first (guide 2.1)."""
    name, missing = "workloads", facts.missing_workloads
    present = [str(one) for one in facts.spec.workloads if str(one) not in missing]
    if isinstance(facts.spec.target, CustomResourceTarget):
        if present:
            return refusal(
                name,
                f"{', '.join(present)} still there",
                f"delete the {facts.spec.target.resource_kind} {facts.spec.target.name!r} first, and only it: keep "
                "Keycloak users and clients and the Secrets (vendor guide 2.1)",
            )
        return passed(name, "the validator resource is deleted, as the vendor's guide wants")
    if missing:
        return refusal(
            name, f"{', '.join(missing)} not there", "install the charts with their usual values first, then run again"
        )
    return passed(name, f"{', '.join(present)} will be stopped and started again")


def databases(facts: ImportFacts) -> Verdict:
    """Fresh databases are made beside the old ones, with no more than ownership and CREATEDB."""
    name = "databases"
    if facts.database_obstacles:
        return refusal(name, "; ".join(facts.database_obstacles), "give the database user these rights")
    return passed(name, "present databases can be set aside by renaming, and fresh ones made")


def node_identifier_rule(facts: ImportFacts) -> Verdict:
    """Splice and the vendor contradict each other; the target's flavour decides (domain 9)."""
    chosen = node_identifier(facts.spec, facts.new_identifier)
    because = (
        "the vendor's guide keeps it"
        if isinstance(facts.spec.target, CustomResourceTarget)
        else "Splice wants it equal to newParticipantIdentifier"
    )
    return passed("node-identifier", f"nodeIdentifier will be {chosen!r}: {because}")


def machine_login(facts: ImportFacts) -> Verdict:
    """Without the ledger API client the validator cannot start, and nothing can be verified."""
    fault = facts.login_faults.get("machine")
    if fault:
        return refusal("ledger-api-login", fault, "put the Keycloak client or its Secret right first")
    return passed("ledger-api-login", "the ledger API client gets a token with the audience")


def wallet_login(facts: ImportFacts) -> Verdict:
    """The wallet user's login is the vendor's own proof of a recovery."""
    name, fault = "wallet-login", facts.login_faults.get("wallet")
    if not facts.wallet_login_declared:
        return warning(name, "no wallet login is declared", "give api.walletLogin, or log in by hand afterwards")
    if fault:
        return refusal(name, fault, "put the Keycloak user, client or Secret right first")
    return passed(name, "the wallet user can log in at Keycloak")


def what_does_not_come_back(facts: ImportFacts) -> Verdict:
    """What no identity dump can bring back (domain 4)."""
    return warning(
        "what-does-not-come-back",
        f"only what Scan shows of {facts.spec.party_hint} comes back",
        "contracts of your own apps, other ledger users and rights, and multi-hosted or external parties do not; "
        "restore a backup set instead where one younger than 30 days exists",
    )
