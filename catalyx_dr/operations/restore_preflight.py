"""Everything that is known before a restore touches anything, looked up read-only by the Job."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from catalyx_dr.adapters import access, canton_database, postgres, workloads
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.http_peer import ONCE
from catalyx_dr.adapters.postgres import PostgresServer, ServerVersion
from catalyx_dr.adapters.postgres_client import client_for
from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.adapters.validator_api import ValidatorClient
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnreachableError
from catalyx_dr.model.record import REBUILT, RecordKind, RecordStatus
from catalyx_dr.model.snapshot_set import SnapshotManifest
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.network import hosted_by, upgrade_facts
from catalyx_dr.operations.restore_source import RestoreSource
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.database_names import is_loading
from catalyx_dr.rules.identity import party_of
from catalyx_dr.rules.recovery import choose
from catalyx_dr.rules.recovery_rights import recovery_rights
from catalyx_dr.rules.restore_preflight import (
    DatabaseFacts,
    OriginalFacts,
    RestoreFacts,
    ServerFacts,
    SetFacts,
    SpaceFacts,
)


def choose_set(source: RestoreSource, selector: str, place: str) -> SetFacts:
    """Choose the set and open it; a fault is part of the facts, so that all other verdicts are told with it."""
    identifier = None
    try:
        identifier = choose(source.captures(), selector, place=source.place).identifier
        manifest = source.manifest(identifier)
        source.check_opens(manifest)
    except CatalyxDrError as error:
        return SetFacts(identifier, place, fault=str(error))
    return SetFacts(identifier, place, manifest)


def look(
    spec: ValidatorSpec, chosen: SetFacts, in_place: bool, surroundings: Surroundings, cluster: Cluster
) -> RestoreFacts:
    """Look everything up."""
    servers = _servers(spec, chosen, in_place, surroundings)
    return replace(around(spec, chosen, surroundings, cluster), in_place=in_place, servers=servers)


def around(spec: ValidatorSpec, chosen: SetFacts, surroundings: Surroundings, cluster: Cluster) -> RestoreFacts:
    """What every restore asks, whatever its set is made of: all but the database servers."""
    described, records = chosen.described, surroundings.records
    dumps = [
        record.started
        for record in records.list(spec.name, RecordKind.IDENTITY_DUMP)
        if record.status is RecordStatus.COMPLETED
    ]
    return RestoreFacts(
        spec=spec,
        now=surroundings.now(),
        chosen=chosen,
        upgrade=upgrade_facts(spec),
        hosted_by=_party_host(spec, described),
        dumps_known=True,
        dump_taken=max(dumps, default=None),
        original=original_of(spec, described, records) if described else None,
        missing_workloads=tuple(
            str(workload) for workload in spec.workloads if not workloads.exists(cluster, workload)
        ),
        denied=access.denied(cluster, recovery_rights(spec)),
    )


def _party_host(spec: ValidatorSpec, described: Manifest | SnapshotManifest | None) -> str | None:
    if described is None or described.participant_id is None:
        return None
    return hosted_by(spec, party_of(described.party_hint, described.participant_id))


def original_of(spec: ValidatorSpec, manifest: Manifest | SnapshotManifest, records: RecordStore) -> OriginalFacts:
    """Look for the participant of the set: in this namespace it is the one that is replaced, in another it must be off.

    A set whose record is here was taken here; from elsewhere only what answers can be seen.
    """
    record = records.find(RecordKind.BACKUP_SET, spec.name, manifest.set_id)
    if manifest.namespace == spec.namespace:
        here = record is not None and not record.details.get(REBUILT)
        elsewhere = "" if here else f"namespace {manifest.namespace}, perhaps of another cluster"
        return OriginalFacts(replaced_here=here, unseen=elsewhere)
    url = in_namespace(spec.api.url, spec.namespace, manifest.namespace)
    if url is not None:
        try:
            user = ValidatorClient(url, ONCE).validator_user()
        except UnreachableError:
            user = None
        if user is not None and user.party_hint == spec.party_hint:
            return OriginalFacts(replaced_here=False, running=f"{url} as {user.party_id}")
    return OriginalFacts(replaced_here=False, unseen=f"namespace {manifest.namespace}, where nothing answers now")


def in_namespace(url: str, own: str, other: str) -> str | None:
    """The same service in another namespace; None when the URL leads out of the cluster."""
    parts = urlsplit(url)
    labels = (parts.hostname or "").split(".")
    if len(labels) > 1 and labels[1] != own:
        return None
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, f"{labels[0]}.{other}.svc{port}", parts.path, "", ""))


def _servers(spec: ValidatorSpec, chosen: SetFacts, in_place: bool, surroundings: Surroundings) -> ServerFacts:
    try:
        reached = {
            role: PostgresServer.reach(spec.databases.server_of(role), surroundings.secrets) for role in DatabaseRole
        }
        databases = tuple(_database(spec, role, server, surroundings) for role, server in reached.items())
        space = tuple(
            _server_space(spec, [role for role in DatabaseRole if reached[role] == server], server, chosen, in_place)
            for server in dict.fromkeys(reached.values())
        )
    except (RefusedError, UnreachableError) as error:
        return ServerFacts(fault=str(error))
    return ServerFacts(databases, (*space, *_scratch(spec, chosen, surroundings)))


def _database(
    spec: ValidatorSpec, role: DatabaseRole, server: PostgresServer, surroundings: Surroundings
) -> DatabaseFacts:
    database = spec.databases.of(role)
    with server.maintenance() as connection:
        postgres.check_is_primary(connection, server)
        version = ServerVersion(connection.info.server_version)
        present = postgres.exists(connection, database.name)
        may_create = postgres.may_create(connection)
        may_rename = postgres.may_rename(connection, database.name)
    migrations = None
    if present and may_rename:
        with server.connect(database.name) as connection:
            migrations = canton_database.schema_steps(connection, database.schema_name)
    fault = ""
    try:
        client_for(version, surroundings.scratch)
    except RefusedError as error:
        fault = str(error)
    return DatabaseFacts(
        role=role,
        server=str(server),
        major=version.major,
        user=server.at.user,
        may_create=may_create,
        present=present,
        may_rename=may_rename,
        client_fault=fault,
        migrations=migrations,
    )


def _server_space(
    spec: ValidatorSpec, roles: Iterable[DatabaseRole], server: PostgresServer, chosen: SetFacts, in_place: bool
) -> SpaceFacts:
    roles = list(roles)
    replaced = [spec.databases.of(role).name for role in roles] if in_place else []
    with server.maintenance() as connection:
        sizes = postgres.database_sizes(connection)
    # What was loaded by a run that was cut off is used or dropped by the next.
    used = sum(size for name, size in sizes.items() if not is_loading(name) and name not in replaced)
    added = sum(chosen.manifest.capture(role).database_bytes for role in roles) if chosen.manifest else 0
    return SpaceFacts(str(server), sum(spec.databases.of(role).storage.bytes for role in roles), used, added)


def _scratch(spec: ValidatorSpec, chosen: SetFacts, surroundings: Surroundings) -> Iterable[SpaceFacts]:
    """A set from the bucket is unpacked before it is loaded."""
    if chosen.place != "bucket" or chosen.manifest is None:
        return
    limit = spec.backup.scratch if spec.backup else None
    free = shutil.disk_usage(surroundings.scratch).free
    capacity = min(free, limit.bytes) if limit else free
    yield SpaceFacts(f"the working space {surroundings.scratch}", capacity, 0, chosen.manifest.bytes)
