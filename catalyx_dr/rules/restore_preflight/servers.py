"""The database servers: there, of a version that takes the set, with rights and room; what is kept."""

from catalyx_dr.model.duration import format_duration
from catalyx_dr.rules.restore_preflight.facts import DatabaseFacts, RestoreFacts
from catalyx_dr.rules.verdict import Verdict, passed, refusal, warning


def database_servers(facts: RestoreFacts) -> Verdict | None:
    """Each can be asked."""
    servers = facts.servers
    if servers is None:
        return None
    if servers.fault:
        return refusal("database-servers", servers.fault, "put the server or its Secret right first")
    return passed("database-servers", ", ".join(sorted({one.server for one in servers.databases})))


def versions(facts: RestoreFacts) -> Verdict | None:
    """PostgreSQL can load the dumps, and its programs are there."""
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


def canton_version(facts: RestoreFacts) -> Verdict | None:
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


def database_rights(facts: RestoreFacts) -> Verdict | None:
    """The user may set the databases aside and make new ones."""
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


def space(facts: RestoreFacts) -> Verdict | None:
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


def way_back(facts: RestoreFacts) -> Verdict | None:
    """What is replaced can be had again, or not."""
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
