"""Preflight of an identity import: every condition that is known before anything is touched (domain 1.3, 1.4, 4)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.identity_dump import IdentityDump, IdentityDumpMetadata, KeyKind, KmsKey
from catalyx_dr.model.target import CustomResourceTarget
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.identity import fingerprint_of, identifier_of, node_identifier
from catalyx_dr.rules.restore_preflight import permissions_verdict
from catalyx_dr.rules.verdict import Checks, Verdict, passed, refusal, warning

# A dump stays valid while its keys and topology do; an old one may lack what was changed since.
OLD_DUMP = timedelta(days=30)


IMPORT_CHECKS: Checks = {
    "dump-intact": "what is not as it was received may hold anybody's keys",
    "dump-of-this-validator": "it would bring another validator's party",
    "identifier-unused": "the network knows an identifier for ever; a second use fails after the databases are gone",
    "party-place": None,
    "party-hint": "the validator would ask for another party",
    "migration-id": None,
    "key-kind": "keys cannot go from one kind to the other",
    "dump-age": None,
    "present-identity": None,
    "target": "the values could not be applied",
    "workloads": "what uses the databases could be neither stopped nor started",
    "databases": "the import would fail when the validator is stopped already",
    "permissions": "the import would fail halfway",
    "node-identifier": None,
    "auto-init": None,
    "onboarding-secret": None,
    "ledger-api-login": "without it the validator cannot start, and nothing can be proven",
    "wallet-login": None,
    "what-does-not-come-back": None,
}


@dataclass(frozen=True)
class TargetFacts:
    """Where the values go. `resource`: whether the vendor's resource is there; None for another flavour or unseen."""

    apply: str
    resource: bool | None = None


@dataclass(frozen=True)
class ImportFacts:
    """What was looked up, read-only; None where it was not: a preview opens no dump and asks no Keycloak.

    `moved_to`: participant that has the party, as the request says; `hosted_by`: as Scan says.

    `used_identifiers`: each with where it was found; `latest_participant_id`: of the newest proven dump or import;
    `unproven_imports`: participants as which the validator was started since the dump, without being proven.
    """

    spec: ValidatorSpec
    new_identifier: str
    metadata: IdentityDumpMetadata | None
    used_identifiers: Mapping[str, str]
    latest_participant_id: str | None
    unproven_imports: tuple[str, ...]
    target: TargetFacts
    now: datetime
    content: bytes | None = field(default=None, repr=False)
    dump: IdentityDump | None = None
    present_participant_id: str | None = None
    missing_workloads: tuple[str, ...] | None = None
    database_obstacles: tuple[str, ...] | None = None
    denied: tuple[str, ...] | None = None
    answers_now: bool | None = None
    login_faults: Mapping[str, str] | None = None
    onboarding_secret: bool | None = None
    moved_to: str | None = None
    hosted_by: str | None = None

    @property
    def participant_id(self) -> str | None:
        """Participant that the dump is of."""
        if self.dump is not None:
            return self.dump.id
        return self.metadata.participant_id if self.metadata else None


def import_verdicts(facts: ImportFacts) -> tuple[Verdict, ...]:
    """Every verdict that the facts allow, in the order of `IMPORT_CHECKS`, in which people read them."""
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
        target,
        workloads,
        databases,
        permissions,
        node_identifier_rule,
        auto_init,
        onboarding_secret,
        machine_login,
        wallet_login,
        what_does_not_come_back,
    )
    return tuple(verdict for check in checks if (verdict := check(facts)) is not None)


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


def identifier_unused(facts: ImportFacts) -> Verdict:
    """The network knows a participant by identifier and namespace for ever: an identifier works once."""
    name, wanted = "identifier-unused", facts.new_identifier
    where = {**facts.used_identifiers, facts.spec.node_identifier: "the stack's nodeIdentifier"}
    if facts.participant_id:
        where[identifier_of(facts.participant_id)] = f"the dump's participant {facts.participant_id}"
    if facts.moved_to:
        where[identifier_of(facts.moved_to)] = f"movedTo {facts.moved_to}"
    if facts.present_participant_id:
        present = facts.present_participant_id
        where[identifier_of(present)] = f"the present participant {present}"
    if wanted in where:
        return refusal(
            name,
            f"newParticipantIdentifier {wanted!r} was used before: {where[wanted]}",
            "choose one that was never used; a number or date at its end keeps it readable",
        )
    looked = "in no record and no dump" if facts.database_obstacles is None else "in no record, no dump, no database"
    return passed(name, f"{wanted!r} is {looked}")


def party_place(facts: ImportFacts) -> Verdict | None:
    """An import moves only the parties of the participant that the dump's id names (domain 4)."""
    name, dumped = "party-place", facts.participant_id
    if dumped is None:
        return None
    named, latest, hosted = facts.moved_to or dumped, facts.latest_participant_id, facts.hosted_by
    if fingerprint_of(named) != fingerprint_of(dumped):
        return refusal(name, f"movedTo {named} has other keys than the dump of {dumped}", "correct movedTo")
    if hosted is not None:
        if hosted != named:
            return refusal(name, f"Scan says that {hosted} has the party, the import names {named}", _moved(hosted))
        return passed(name, f"Scan says that {hosted} has the party, as the import names it")
    if latest and latest != named and fingerprint_of(latest) == fingerprint_of(dumped) and facts.moved_to is None:
        return refusal(
            name,
            f"the dump is of {dumped}, the party is with {latest} since",
            f"choose a dump that was taken of {latest}, or {_moved(latest)}",
        )
    if facts.unproven_imports and facts.moved_to is None:
        return warning(
            name,
            f"the validator was started as {' and '.join(facts.unproven_imports)} since, without being proven",
            f"if its log says that the party was moved, {_moved(facts.unproven_imports[0])}",
        )
    return passed(name, f"nothing is known of a move of the party from {named}")


def _moved(participant: str) -> str:
    return f"give movedTo: {participant}, under whose id the dump is then imported"


def party_hint(facts: ImportFacts) -> Verdict | None:
    """With another hint the validator would ask for another party."""
    if facts.metadata is None:
        return None
    name, declared, dumped = "party-hint", facts.spec.party_hint, facts.metadata.party_hint
    if declared != dumped:
        return refusal(name, f"the stack says {declared!r}, the dump {dumped!r}", f"set partyHint: {dumped}")
    return passed(name, f"{declared} in stack and dump")


def migration_configuration(facts: ImportFacts) -> Verdict | None:
    """The vendor's guide asks for the same migration configuration."""
    if facts.metadata is None:
        return None
    name, declared, dumped = "migration-id", facts.spec.migration_id, facts.metadata.migration_id
    if declared != dumped:
        return refusal(name, f"the stack says {declared}, the dump {dumped}", f"set migrationId: {dumped}")
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


def present_identity(facts: ImportFacts) -> Verdict | None:
    """A participant that is still there: of the same keys it is replaced, of other keys something is mixed up."""
    name, present, dumped = "present-identity", facts.present_participant_id, facts.participant_id
    if facts.answers_now is None:
        return None
    if present and dumped and fingerprint_of(present) != fingerprint_of(dumped):
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


def target(facts: ImportFacts) -> Verdict | None:
    """How the values get to the validator must fit its flavour."""
    name, how, declared = "target", facts.target, facts.spec.target
    vendors = isinstance(declared, CustomResourceTarget)
    if how.apply == "custom-resource" and not vendors:
        return refusal(
            name, f"apply is custom-resource, the target is {declared.kind}", "use apply: workload, or print"
        )
    if how.apply == "print":
        return passed(name, "the values are only printed; the Job waits until they are applied")
    if not isinstance(declared, CustomResourceTarget):
        return passed(name, f"the values are set on {declared.validator_workload}")
    if how.resource is None:
        return None
    place = f"{declared.resource_kind} {facts.spec.namespace}/{declared.name}"
    if not how.resource:
        return refusal(
            name, f"{place} is not there", "create it without the import block, suspended, or use apply: print"
        )
    return passed(name, f"the values are patched into {place}")


def workloads(facts: ImportFacts) -> Verdict | None:
    """What is patched is restarted; for values applied by hand the vendor's resource is deleted first (guide 2.1)."""
    name, missing = "workloads", facts.missing_workloads
    if missing is None:
        return None
    present = [str(one) for one in facts.spec.workloads if str(one) not in missing]
    if isinstance(facts.spec.target, CustomResourceTarget) and facts.target.apply == "print":
        if present:
            return refusal(
                name,
                f"{', '.join(present)} still there",
                f"delete the {facts.spec.target.resource_kind} {facts.spec.target.name!r} first, and only it: keep "
                "Keycloak users and clients and the Secrets (vendor guide 2.1); or use apply: custom-resource",
            )
        return passed(name, "the validator resource is deleted, as the vendor's guide wants")
    if missing:
        return refusal(
            name, f"{', '.join(missing)} not there", "install the charts with their usual values first, then run again"
        )
    return passed(name, f"{', '.join(present)} will be stopped and started again")


def databases(facts: ImportFacts) -> Verdict | None:
    """Fresh databases are made beside the old ones, with no more than ownership and CREATEDB."""
    name = "databases"
    if facts.database_obstacles is None:
        return None
    if facts.database_obstacles:
        return refusal(name, "; ".join(facts.database_obstacles), "give the database user these rights")
    return passed(name, "present databases can be set aside by renaming, and fresh ones made")


def permissions(facts: ImportFacts) -> Verdict | None:
    """Every step must be allowed."""
    return permissions_verdict(facts.denied)


def node_identifier_rule(facts: ImportFacts) -> Verdict:
    """Splice and the vendor contradict each other; the target's flavour decides (domain 9)."""
    chosen = node_identifier(facts.spec, facts.new_identifier)
    because = (
        "the vendor's guide keeps it, and its operator takes the new identifier in the import block alone"
        if isinstance(facts.spec.target, CustomResourceTarget)
        else "Splice refuses to start unless it equals newParticipantIdentifier (since 0.3.7)"
    )
    return passed("node-identifier", f"nodeIdentifier will be {chosen!r}: {because}")


def auto_init(facts: ImportFacts) -> Verdict:
    """A participant that initialises itself takes keys of its own before the dump is read (vendor guide 2.1)."""
    name, declared = "auto-init", facts.spec.target
    if not isinstance(declared, CustomResourceTarget):
        return passed(name, "Splice's participants never initialise themselves (since 0.2.0)")
    if not declared.auto_init_off:
        return warning(
            name,
            "the stack does not say how this resource switches auto-init off",
            "switch it off in the resource before the import, or give target.autoInitOff",
        )
    return passed(name, f"switched off with the values: {', '.join(declared.auto_init_off)}")


def onboarding_secret(facts: ImportFacts) -> Verdict | None:
    """No new one is needed, but the pod does not start without the old one (domain 1.4, vendor guide 2.1)."""
    name, wanted = "onboarding-secret", facts.spec.onboarding_secret
    if facts.onboarding_secret is None:
        return None
    if not facts.onboarding_secret:
        return refusal(
            name,
            f"Secret {wanted.name} with key {wanted.key} is not there",
            "create it again with the old value, or any: it is not used again (or correct onboardingSecret)",
        )
    return passed(name, f"Secret {wanted.name} is still there")


def machine_login(facts: ImportFacts) -> Verdict | None:
    """Without the ledger API client the validator cannot start, and nothing can be verified."""
    if facts.login_faults is None:
        return None
    fault = facts.login_faults.get("machine")
    if fault:
        return refusal("ledger-api-login", fault, "put the Keycloak client or its Secret right first")
    return passed("ledger-api-login", "the ledger API client gets a token with the audience")


def wallet_login(facts: ImportFacts) -> Verdict | None:
    """The wallet user's login is the vendor's own proof of a recovery."""
    name = "wallet-login"
    if facts.spec.api.wallet_login is None:
        return warning(name, "no wallet login is declared", "give api.walletLogin, or log in by hand afterwards")
    if facts.login_faults is None:
        return None
    fault = facts.login_faults.get("wallet")
    if fault:
        return refusal(name, fault, "put the Keycloak user, client or Secret right first")
    return passed(name, "the wallet user can log in at Keycloak")


def what_does_not_come_back(facts: ImportFacts) -> Verdict:
    """What no identity dump can bring back (domain 4)."""
    return warning(
        "what-does-not-come-back",
        f"only what Scan shows of {facts.spec.party_hint} comes back: coins and names; no contracts of your own apps, "
        "no other ledger users and rights, no multi-hosted or external parties (canton-network/splice#5157, #3963)",
        "restore a backup set instead where one younger than 30 days exists; upload your apps' DARs again",
    )
