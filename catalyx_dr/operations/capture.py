"""Captures one database: one snapshot for dump, offsets and counts; then decoded to the last byte and hashed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from catalyx_dr.adapters import canton_database, dump_files, postgres
from catalyx_dr.adapters.postgres import PostgresServer, ServerVersion
from catalyx_dr.adapters.postgres_client import PostgresClient, client_for
from catalyx_dr.model.backup_set import DatabaseCapture
from catalyx_dr.model.errors import CatalyxDrError, UnprovenError
from catalyx_dr.model.validator_spec import Database, DatabaseRole, ValidatorSpec
from catalyx_dr.operations.surroundings import Surroundings


@dataclass(frozen=True)
class Source:
    """A database that was found to be what it should be, and the programs that fit its server."""

    role: DatabaseRole
    database: Database
    server: PostgresServer
    version: ServerVersion
    client: PostgresClient
    bytes: int


@dataclass(frozen=True)
class Dumped:
    """A dump that is complete but not proven yet."""

    source: Source
    started: datetime
    completed: datetime
    ledger_offset: int | None
    participant_id: str | None
    row_counts: Mapping[str, int]


def look_at(spec: ValidatorSpec, role: DatabaseRole, surroundings: Surroundings) -> Source:
    """Check server, client and database before anything is written; raises RefusedError or UnreachableError."""
    database = spec.databases.of(role)
    server = PostgresServer.reach(spec.databases.server_of(role), surroundings.secrets)
    with server.connect(database.name) as connection:
        version = ServerVersion(connection.info.server_version)
        client = client_for(version, surroundings.scratch)
        canton_database.check_is_database_of(connection, role, database)
        size = postgres.database_bytes(connection)
    return Source(role, database, server, version, client, size)


def dump(source: Source, folder: Path, *, jobs: int, level: int, now: Callable[[], datetime]) -> Dumped:
    """Dump into `folder/<role>`, which must not exist; offsets and counts are read meanwhile in the same snapshot."""
    started = now()
    schema = source.database.schema_name
    with (
        source.server.connect(source.database.name) as connection,
        postgres.exported_snapshot(connection) as snapshot,
        source.client.dumping(
            source.server, source.database.name, snapshot, folder / source.role, jobs=jobs, level=level
        ),
    ):
        offset = canton_database.ledger_offset(connection, source.role, schema)
        is_participant = source.role is DatabaseRole.PARTICIPANT
        participant = canton_database.participant_id(connection, schema) if is_participant else None
        counts = canton_database.row_counts(connection)
    return Dumped(source, started, now(), offset, participant, counts)


def proven(dumped: Dumped, folder: Path, *, jobs: int) -> DatabaseCapture:
    """Decode the dump to its last byte and hash its files at the same time; raises UnprovenError for a damaged one."""
    source = dumped.source
    try:
        with source.client.decoding(folder / source.role):
            files = dump_files.measured(folder, source.role, jobs)
    except CatalyxDrError as error:
        raise UnprovenError(f"the {source.role} dump cannot be read back, so it is not published: {error}") from None
    return DatabaseCapture(
        role=source.role,
        database=source.database.name,
        server_version=str(source.version),
        client_version=source.client.version,
        started=dumped.started,
        completed=dumped.completed,
        database_bytes=source.bytes,
        ledger_offset=dumped.ledger_offset,
        row_counts=dict(dumped.row_counts),
        files=files,
    )
