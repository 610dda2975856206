"""Captures one database: one snapshot for dump, offsets and counts, and a proof that both agree."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from catalyx_dr.adapters import canton_database, postgres
from catalyx_dr.adapters.database_roles import roles_of
from catalyx_dr.adapters.dump_proof import DumpProof
from catalyx_dr.adapters.postgres import Connection, PostgresServer, ServerVersion
from catalyx_dr.adapters.postgres_client import PostgresClient, client_for
from catalyx_dr.adapters.rate_limit import limited_way
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.backup_set import DatabaseCapture, DumpRoles, StoredFile
from catalyx_dr.model.databases import Database, DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.surroundings import Surroundings


@dataclass(frozen=True)
class Source:
    """A database that was found to be what it should be, and the programs that fit its server.

    `oid`: which database it is, whatever takes its name later.
    """

    role: DatabaseRole
    database: Database
    server: PostgresServer
    version: ServerVersion
    client: PostgresClient
    bytes: int
    oid: int


@dataclass(frozen=True)
class Observed:
    """What the database told in the snapshot of its dump; `tables`: OID to the label under which rows are counted."""

    ledger_offset: int | None
    participant_id: str | None
    row_counts: Mapping[str, int]
    tables: Mapping[int, str]
    roles: DumpRoles


@dataclass(frozen=True)
class Dumped:
    """A dump that is complete."""

    source: Source
    started: datetime
    completed: datetime
    observed: Observed

    def capture(self, files: tuple[StoredFile, ...], segments: tuple[StoredFile, ...] = ()) -> DatabaseCapture:
        """Its entry in the manifest, once its files are proven; `segments`: of its archive in the bucket."""
        return DatabaseCapture(
            role=self.source.role,
            database=self.source.database.name,
            server_version=str(self.source.version),
            client_version=self.source.client.version,
            started=self.started,
            completed=self.completed,
            database_bytes=self.source.bytes,
            ledger_offset=self.observed.ledger_offset,
            row_counts=dict(self.observed.row_counts),
            roles=self.observed.roles,
            files=files,
            segments=segments,
        )


def look_at(spec: ValidatorSpec, role: DatabaseRole, surroundings: Surroundings) -> Source:
    """Check server, client and database before anything is written; raises RefusedError or UnreachableError."""
    database = spec.databases.of(role)
    server = PostgresServer.reach(spec.databases.server_of(role), surroundings.secrets)
    with server.connect(database.name) as connection:
        version = ServerVersion(connection.info.server_version)
        client = client_for(version, surroundings.scratch)
        canton_database.check_is_database_of(connection, role, database)
        canton_database.check_is_readable(connection, database)
        size, oid = postgres.database_bytes(connection), postgres.database_oid(connection)
    return Source(role, database, server, version, client, size, oid)


def dump(source: Source, folder: Path, proof: DumpProof, backup: DatabaseBackup, now: Callable[[], datetime]) -> Dumped:
    """Dump into `folder/<role>`, which must not exist; what is finished is proven meanwhile."""
    started = now()
    with (
        source.server.connect(source.database.name) as connection,
        postgres.exported_snapshot(connection) as snapshot,
        slowed(source.server, backup) as server,
        source.client.dumping(
            server,
            source.database.name,
            snapshot,
            folder / source.role,
            jobs=backup.parallel_jobs,
            level=backup.compression_level,
            begun=proof.table_begun,
            finished=proof.table_finished,
        ),
    ):
        observed = observe(source, connection)
    completed = now()
    proof.all_finished()
    return Dumped(source, started, completed, observed)


def observe(source: Source, connection: Connection) -> Observed:
    """Read offset, identity and counts in the connection's snapshot, while pg_dump holds its locks.

    Raises CatalyxDrError when another database has the name now: an identity import does not wait for backups.
    """
    if postgres.database_oid(connection) != source.oid:
        raise CatalyxDrError(
            f"database {source.database.name!r} was replaced while the set was taken, so its two databases would be of "
            "different moments; run again when the recovery has ended"
        )
    canton_database.lock_tables(connection)
    schema = source.database.schema_name
    is_participant = source.role is DatabaseRole.PARTICIPANT
    return Observed(
        ledger_offset=canton_database.ledger_offset(connection, source.role, schema),
        participant_id=canton_database.participant_id(connection, schema) if is_participant else None,
        row_counts=canton_database.row_counts(connection),
        tables=canton_database.tables(connection),
        roles=roles_of(connection),
    )


@contextmanager
def slowed(server: PostgresServer, backup: DatabaseBackup) -> Iterator[PostgresServer]:
    """The server as a dump reaches it: by way of the limit that is declared, or straight."""
    limit = backup.limits.dump_bytes_per_second
    if limit is None:
        yield server
        return
    with limited_way(server.at.host, server.at.port, limit.bytes) as port:
        yield replace(server, through_port=port)
