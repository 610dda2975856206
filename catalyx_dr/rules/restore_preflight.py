"""Whether a restore may begin: everything that can be known before anything is touched."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.validator_spec import DatabaseRole, ValidatorSpec
from catalyx_dr.rules.recovery import age_verdict
from catalyx_dr.rules.verdict import Verdict, passed, refusal, warning


@dataclass(frozen=True)
class DatabaseFacts:
    """What was found at the server of one database; `present`: there is one to set aside."""

    role: DatabaseRole
    server: str
    major: int
    user: str
    may_create: bool
    present: bool
    may_rename: bool


@dataclass(frozen=True)
class RestoreFacts:
    """What was found before a restore."""

    spec: ValidatorSpec
    manifest: Manifest
    now: datetime
    databases: tuple[DatabaseFacts, ...]
    missing_workloads: tuple[str, ...]


def restore_verdicts(facts: RestoreFacts) -> tuple[Verdict, ...]:
    """Every verdict on a restore."""
    return (
        set_of_this_validator(facts),
        age_verdict(facts.manifest.started, facts.now),
        migration(facts),
        *(verdict for found in facts.databases for verdict in _database(facts, found)),
        workloads(facts),
    )


def set_of_this_validator(facts: RestoreFacts) -> Verdict:
    """The set must hold the databases of this validator."""
    name, manifest, spec = "set-of-this-validator", facts.manifest, facts.spec
    if (manifest.validator, manifest.party_hint) != (spec.name, spec.party_hint):
        return refusal(
            name,
            f"set {manifest.set_id} is of validator {manifest.validator} ({manifest.party_hint}), "
            f"asked for is {spec.name} ({spec.party_hint})",
            "choose a set of this validator",
        )
    return passed(name, f"{manifest.set_id} of {spec.name}")


def migration(facts: RestoreFacts) -> Verdict:
    """A set from before a migration needs the network of that time (domain 1.1)."""
    name, then, now = "migration-id", facts.manifest.migration_id, facts.spec.migration_id
    if then != now:
        return warning(
            name,
            f"the set was taken at migration {then}, the validator is at {now}",
            "it can catch up only while the synchronizer nodes of that migration are still up",
        )
    return passed(name, str(now))


def workloads(facts: RestoreFacts) -> Verdict:
    """What uses the databases must be there to be stopped and started."""
    name = "workloads"
    if facts.missing_workloads:
        missing = ", ".join(facts.missing_workloads)
        return refusal(
            name, f"{missing}: not in namespace {facts.spec.namespace}", "correct `workloads`, or install it first"
        )
    return passed(name, ", ".join(map(str, facts.spec.workloads)))


def _database(facts: RestoreFacts, found: DatabaseFacts) -> Iterator[Verdict]:
    name = f"database-{found.role}"
    dumped = int(facts.manifest.capture(found.role).server_version.split(".")[0])
    if found.major < dumped:
        yield refusal(
            name,
            f"{found.server} is PostgreSQL {found.major}, the dump is of {dumped}",
            f"restore to PostgreSQL {dumped} or newer",
        )
    if not found.may_create:
        yield refusal(
            name,
            f"user {found.user!r} may not create databases on {found.server}",
            f"ALTER ROLE {found.user} CREATEDB",
        )
    if found.present and not found.may_rename:
        yield refusal(
            name,
            f"user {found.user!r} does not own {facts.spec.databases.of(found.role).name!r} on {found.server}",
            "make it the owner, so that the database can be renamed and kept",
        )
    if not found.present:
        yield warning(name, "there is no database to set aside", "nothing: the restored one takes its place")
