"""Whether a restore may begin: everything that can be known before anything is touched, as named verdicts.

A part of the facts that is None was not looked up where they were gathered: a preview sees no databases, the Job does.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.capture_id import captured_at
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.snapshot_set import SnapshotManifest
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.capture_order import check_order
from catalyx_dr.rules.recovery import age_verdict
from catalyx_dr.rules.verdict import Checks, Verdict, passed, refusal, warning

# An identity dump outlives a set, but keys may be rotated since.
_OLD_DUMP = timedelta(days=30)

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


@dataclass(frozen=True)
class SetFacts:
    """The chosen set; `manifest` (of dumps) or `snapshots` is None where only its record was seen.

    `fault`: why it cannot be used.
    """

    identifier: str | None
    place: str
    manifest: Manifest | None = None
    fault: str = ""
    snapshots: SnapshotManifest | None = None

    @property
    def described(self) -> Manifest | SnapshotManifest | None:
        """What tells of it, whatever it is made of."""
        return self.manifest or self.snapshots

    @property
    def taken(self) -> datetime | None:
        """When it was started."""
        if self.described is not None:
            return self.described.started
        return captured_at(self.identifier) if self.identifier else None


@dataclass(frozen=True)
class DatabaseFacts:
    """What was found at the server of one database; `present`: there is one to set aside.

    `migrations`: steps of the schema that the present database has taken (Flyway); None when that is not known.
    """

    role: DatabaseRole
    server: str
    major: int
    user: str
    may_create: bool
    present: bool
    may_rename: bool
    client_fault: str = ""
    migrations: int | None = None


@dataclass(frozen=True)
class SpaceFacts:
    """Bytes at one server (or folder): what there is, what is used, and what the restore adds."""

    place: str
    capacity: int
    used: int
    added: int


@dataclass(frozen=True)
class ServerFacts:
    """What was found at the database servers; `fault`: why one could not be asked."""

    databases: tuple[DatabaseFacts, ...] = ()
    space: tuple[SpaceFacts, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class OriginalFacts:
    """The participant that the set was taken of. `replaced_here`: it is the one that this restore stops.

    `running`: where it was seen; `unseen`: where it might be, but could not be looked for.
    """

    replaced_here: bool
    running: str = ""
    unseen: str = ""


@dataclass(frozen=True)
class UpgradeFacts:
    """Serial of the synchronizer now; None when Scan does not tell; `fault`: why Scan could not be asked."""

    serial: int | None = None
    fault: str = ""


@dataclass(frozen=True)
class RestoreFacts:
    """What was found before a restore; `dump_taken`: of the newest identity dump, of those that `dumps_known` tells.

    `hosted_by`: participant that has the party, as Scan says.
    """

    spec: ValidatorSpec
    now: datetime
    chosen: SetFacts
    in_place: bool = False
    upgrade: UpgradeFacts | None = None
    hosted_by: str | None = None
    servers: ServerFacts | None = None
    dumps_known: bool = False
    dump_taken: datetime | None = None
    original: OriginalFacts | None = None
    missing_workloads: tuple[str, ...] | None = None
    denied: tuple[str, ...] | None = None


def restore_verdicts(facts: RestoreFacts) -> tuple[Verdict, ...]:
    """Every verdict that the facts allow, in the order of `RESTORE_CHECKS`."""
    return tuple(
        verdict
        for check in (
            set_proven,
            set_of_this_validator,
            set_age,
            _set_order,
            synchronizer_upgrade,
            party_place,
            _database_servers,
            _versions,
            _canton_version,
            _database_rights,
            _space,
            identity_half,
            original_stopped,
            workloads_known,
            _permissions,
            _way_back,
        )
        if (verdict := check(facts)) is not None
    )


def permissions_verdict(denied: tuple[str, ...] | None) -> Verdict | None:
    """Every step is allowed, or the rights that are missing are named."""
    if denied is None:
        return None
    if denied:
        return refusal("permissions", f"not allowed to {'; '.join(denied)}", "run pulumi up, which makes the Role")
    return passed("permissions", "every step is allowed")


def set_proven(facts: RestoreFacts) -> Verdict:
    """It is complete and can be had where it is."""
    chosen = facts.chosen
    if chosen.fault:
        return refusal("set-proven", chosen.fault, "choose another set, or another source")
    return passed("set-proven", f"{chosen.identifier} is complete in the {chosen.place}")


def set_of_this_validator(facts: RestoreFacts) -> Verdict | None:
    """It is of the validator that asks for it."""
    name, manifest, spec = "set-of-this-validator", facts.chosen.described, facts.spec
    if manifest is None:
        return None
    if (manifest.validator, manifest.party_hint) != (spec.name, spec.party_hint):
        return refusal(
            name,
            f"set {manifest.set_id} is of validator {manifest.validator} ({manifest.party_hint}), "
            f"asked for is {spec.name} ({spec.party_hint})",
            "choose a set of this validator",
        )
    return passed(name, f"{manifest.set_id} of {spec.name}, participant {manifest.participant_id}")


def set_age(facts: RestoreFacts) -> Verdict | None:
    """Its participant can still catch up."""
    taken = facts.chosen.taken
    return age_verdict(taken, facts.now) if taken else None


def _set_order(facts: RestoreFacts) -> Verdict | None:
    manifest = facts.chosen.manifest
    if manifest is None:
        return None
    app, participant = (manifest.capture(role) for role in DatabaseRole)
    try:
        check_order(app, participant)
    except UnprovenError as error:
        return refusal("set-order", str(error), "choose another set")
    return passed(
        "set-order", f"app at offset {app.ledger_offset}, participant's ledger at {participant.ledger_offset}"
    )


def synchronizer_upgrade(facts: RestoreFacts) -> Verdict | None:
    """A set from before a migration or a logical upgrade needs the network of that time (domain 1.1)."""
    name, manifest, spec = "synchronizer-upgrade", facts.chosen.described, facts.spec
    if manifest is None:
        return None
    remedy = (
        "restore it only while the synchronizer nodes of that time are still up, let it catch up there, then go over; "
        "else use a younger set, or an identity import"
    )
    if manifest.migration_id != spec.migration_id:
        return refusal(name, f"taken at migration {manifest.migration_id}, now {spec.migration_id}", remedy)
    then, upgrade = manifest.synchronizer_serial, facts.upgrade
    now = upgrade.serial if upgrade else None
    if then is not None and now is not None and then != now:
        return refusal(name, f"taken at synchronizer serial {then}, Scan says {now} now", remedy)
    if upgrade is not None and upgrade.fault:
        return warning(name, f"Scan could not be asked: {upgrade.fault}", "look whether the network was upgraded since")
    if then is None or now is None:
        return passed(name, f"migration {spec.migration_id}; no serial of the synchronizer to compare")
    return passed(name, f"migration {spec.migration_id}, synchronizer serial {now}")


def party_place(facts: RestoreFacts) -> Verdict | None:
    """The party is still with the participant that the set is of; an import would have moved it (domain 1.4)."""
    manifest, hosted = facts.chosen.described, facts.hosted_by
    if manifest is None or hosted is None:
        return None
    if hosted != manifest.participant_id:
        return refusal(
            "party-place",
            f"Scan says that {hosted} has the party, the set is of {manifest.participant_id}",
            f"choose a set that was taken of {hosted}, or bring the party back by an identity import",
        )
    return passed("party-place", f"Scan says that {hosted} has the party")


def _database_servers(facts: RestoreFacts) -> Verdict | None:
    servers = facts.servers
    if servers is None:
        return None
    if servers.fault:
        return refusal("database-servers", servers.fault, "put the server or its Secret right first")
    return passed("database-servers", ", ".join(sorted({one.server for one in servers.databases})))


def _versions(facts: RestoreFacts) -> Verdict | None:
    manifest, databases = facts.chosen.manifest, _databases(facts)
    if manifest is None or not databases:
        return None
    faults = []
    for found in databases:
        dumped = int(manifest.capture(found.role).server_version.split(".")[0])
        if found.major < dumped:
            faults.append(f"{found.server} is PostgreSQL {found.major}, the dump is of {dumped}")
        elif found.client_fault:
            faults.append(found.client_fault)
    if faults:
        newest = max(int(capture.server_version.split(".")[0]) for capture in manifest.databases)
        return refusal("versions", "; ".join(faults), f"restore to PostgreSQL {newest} or newer with programs of it")
    majors = ", ".join(sorted({f"PostgreSQL {found.major}" for found in databases}))
    return passed("versions", f"{majors}; dumped from {manifest.databases[-1].server_version}")


def _canton_version(facts: RestoreFacts) -> Verdict | None:
    """A schema that is ahead of the running programs cannot be used by them; one behind is migrated at their start."""
    name, manifest, databases = "canton-version", facts.chosen.manifest, _databases(facts)
    if manifest is None or not databases:
        return None
    ahead: list[str] = []
    behind: list[str] = []
    for found in databases:
        schema = facts.spec.databases.of(found.role).schema_name
        taken = manifest.capture(found.role).row_counts.get(f"{schema}.flyway_schema_history")
        if taken is None or found.migrations is None or taken == found.migrations:
            continue
        text = f"{found.role}: the set's schema has {taken} steps, the present one {found.migrations}"
        (ahead if taken > found.migrations else behind).append(text)
    if ahead:
        return refusal(
            name, "; ".join(ahead), "upgrade Splice to the version that the set was taken of, or choose an older set"
        )
    if behind:
        return passed(name, f"{'; '.join(behind)}; the programs migrate it when they start")
    return passed(name, "the set's schema is as far as the present one, as far as that is known")


def _database_rights(facts: RestoreFacts) -> Verdict | None:
    name, databases = "database-rights", _databases(facts)
    if not databases:
        return None
    faults: dict[str, str] = {}
    for found in databases:
        if not found.may_create:
            remedy = f"ALTER ROLE {found.user} CREATEDB"
            faults[f"user {found.user!r} may not create databases on {found.server}"] = remedy
        if found.present and not found.may_rename:
            database = facts.spec.databases.of(found.role).name
            faults[f"user {found.user!r} does not own {database!r} on {found.server}"] = (
                "make it the owner, so that the database can be renamed and kept"
            )
    if faults:
        return refusal(name, "; ".join(faults), "; ".join(dict.fromkeys(faults.values())))
    return passed(name, "the databases can be set aside by renaming, and new ones made")


def _space(facts: RestoreFacts) -> Verdict | None:
    """By the storage that the stack declares: no server tells how much its disk has left to one who is no superuser."""
    servers = facts.servers
    if servers is None or not servers.space:
        return None
    short = [one for one in servers.space if one.used + one.added > one.capacity]
    if short:
        return refusal(
            "space",
            "; ".join(
                f"{one.place} holds {_shown(one.capacity)}; {_shown(one.used)} used, {_shown(one.added)} more needed"
                for one in short
            ),
            "enlarge the storage (and `storage` in the stack), drop databases that were set aside, or use inPlace",
        )
    return passed("space", "; ".join(f"{_shown(one.added)} more at {one.place} fit" for one in servers.space))


def identity_half(facts: RestoreFacts) -> Verdict | None:
    """There is an identity dump too, and it is not old."""
    name = "identity-half"
    if not facts.dumps_known:
        return None
    remedy = "take one as soon as the validator runs: catalyx-dr run identity-dump"
    if facts.dump_taken is None:
        return warning(name, "no identity dump is known", f"{remedy}; it is what is left when a set is too old")
    age = max(facts.now - facts.dump_taken, timedelta())
    text = f"the newest identity dump is {format_duration(timedelta(seconds=int(age.total_seconds())))} old"
    return warning(name, text, remedy) if age > _OLD_DUMP else passed(name, text)


def original_stopped(facts: RestoreFacts) -> Verdict | None:
    """The participant that the set was taken of runs nowhere else."""
    name, original = "original-stopped", facts.original
    if original is None:
        return None
    if original.running:
        return refusal(
            name,
            f"the participant that the set was taken of runs at {original.running}",
            "stop it there for good first: scale its workloads to 0 and remove what starts them",
        )
    if original.unseen:
        return warning(
            name,
            f"the set was taken in {original.unseen}, which cannot be seen from here",
            "make sure that the participant does not run there any more, and never will again",
        )
    if original.replaced_here:
        return passed(name, "the participant that the set was taken of is the one that is replaced")
    return passed(name, "the participant that the set was taken of does not answer any more")


def workloads_known(facts: RestoreFacts) -> Verdict | None:
    """Everything that uses the databases is there to be stopped and started."""
    name, missing = "workloads", facts.missing_workloads
    if missing is None:
        return None
    if missing:
        return refusal(
            name,
            f"{', '.join(missing)}: not in namespace {facts.spec.namespace}",
            "correct `workloads`, or install it first",
        )
    return passed(name, ", ".join(map(str, facts.spec.workloads)))


def _permissions(facts: RestoreFacts) -> Verdict | None:
    return permissions_verdict(facts.denied)


def _way_back(facts: RestoreFacts) -> Verdict | None:
    name = "way-back"
    if facts.in_place:
        return warning(
            name,
            "inPlace: the present databases are dropped before the set is loaded",
            "leave inPlace out where there is room for both copies",
        )
    databases = _databases(facts)
    absent = [str(found.role) for found in databases if not found.present]
    if absent:
        return warning(
            name, f"{', '.join(absent)}: no database to set aside", "nothing: the restored one takes its place"
        )
    if not databases:
        return None
    kept = format_duration(facts.spec.replaced_databases_keep)
    return passed(name, f"what is replaced stays {kept}; catalyx-dr rollback swaps it back")


def _databases(facts: RestoreFacts) -> tuple[DatabaseFacts, ...]:
    return facts.servers.databases if facts.servers else ()


def _shown(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
