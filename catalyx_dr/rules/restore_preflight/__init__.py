"""Whether a restore may begin: everything that can be known before anything is touched, as named verdicts."""

from catalyx_dr.rules.restore_preflight.chosen_set import (
    party_place,
    set_age,
    set_of_this_validator,
    set_order,
    set_proven,
    synchronizer_upgrade,
)
from catalyx_dr.rules.restore_preflight.facts import (
    DatabaseFacts,
    OriginalFacts,
    RestoreFacts,
    ServerFacts,
    SetFacts,
    SpaceFacts,
    UpgradeFacts,
)
from catalyx_dr.rules.restore_preflight.servers import (
    canton_version,
    database_rights,
    database_servers,
    space,
    versions,
    way_back,
)
from catalyx_dr.rules.restore_preflight.surroundings import (
    identity_half,
    original_stopped,
    permissions,
    workloads_known,
)
from catalyx_dr.rules.verdict import Checks, Verdict

__all__ = [
    "RESTORE_CHECKS",
    "DatabaseFacts",
    "OriginalFacts",
    "RestoreFacts",
    "ServerFacts",
    "SetFacts",
    "SpaceFacts",
    "UpgradeFacts",
    "restore_verdicts",
]

RESTORE_CHECKS: Checks = {
    "set-proven": "what is not proven may be damaged, and nothing else is there to be restored",
    "set-of-this-validator": "it would bring another validator's party and keys",
    "set-age": None,
    "set-order": "an app that is ahead of its participant looks healthy and is wrong (domain 4)",
    "synchronizer-upgrade": None,
    "party-place": None,
    "database-servers": "nothing can be loaded without them",
    "versions": "PostgreSQL itself cannot load such a dump",
    "canton-version": None,
    "database-rights": "the restore would fail when the validator is stopped already",
    "space": None,
    "identity-half": None,
    "original-stopped": "two participants of one identity damage each other's state for good (domain 4)",
    "workloads": "what uses the databases could be neither stopped nor started",
    "permissions": "the restore would fail halfway",
    "way-back": None,
}


def restore_verdicts(facts: RestoreFacts) -> tuple[Verdict, ...]:
    """Every verdict that the facts allow, in the order of `RESTORE_CHECKS`."""
    return tuple(
        verdict
        for check in (
            set_proven,
            set_of_this_validator,
            set_age,
            set_order,
            synchronizer_upgrade,
            party_place,
            database_servers,
            versions,
            canton_version,
            database_rights,
            space,
            identity_half,
            original_stopped,
            workloads_known,
            permissions,
            way_back,
        )
        if (verdict := check(facts)) is not None
    )
