"""Preflight of an identity import: every condition that is known before anything is touched (domain 1.3, 1.4, 4)."""

from catalyx_dr.rules.identity_preflight.dump import (
    dump_age,
    dump_intact,
    dump_of_this_validator,
    key_kind,
    migration_configuration,
    party_hint,
)
from catalyx_dr.rules.identity_preflight.facts import ImportFacts, TargetFacts
from catalyx_dr.rules.identity_preflight.installation import (
    databases,
    machine_login,
    onboarding_secret,
    permissions,
    target,
    wallet_login,
    workloads,
)
from catalyx_dr.rules.identity_preflight.participant import (
    auto_init,
    identifier_unused,
    node_identifier_rule,
    party_place,
    present_identity,
)
from catalyx_dr.rules.verdict import Checks, Verdict, warning

__all__ = ["IMPORT_CHECKS", "ImportFacts", "TargetFacts", "import_verdicts"]

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


def what_does_not_come_back(facts: ImportFacts) -> Verdict:
    """What no identity dump can bring back (domain 4)."""
    return warning(
        "what-does-not-come-back",
        f"only what Scan shows of {facts.spec.party_hint} comes back: coins and names; no contracts of your own apps, "
        "no other ledger users and rights, no multi-hosted or external parties (canton-network/splice#5157, #3963)",
        "restore a backup set instead where one younger than 30 days exists; upload your apps' DARs again",
    )
