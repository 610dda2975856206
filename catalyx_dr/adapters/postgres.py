"""A PostgreSQL server: connections, versions, snapshots, and databases made, renamed and dropped."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.databases import DatabaseServer
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnreachableError

Connection = psycopg.Connection[tuple[Any, ...]]
_CONNECT_TIMEOUT_SECONDS = 15
_POLL_SECONDS = 0.2
# A backup may take hours: no limit that an administrator set for applications may end its transaction. Nor does a
# database that was set to read only, so that nobody damages it further, hinder its restore. Names are compared as SQL
# quotes them, so that no setting may quote more of them on one server than on another.
SESSION_SETTINGS = (
    "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0 -c lock_timeout=0 "
    "-c default_transaction_read_only=off -c quote_all_identifiers=off"
)
_TRANSACTION_TIMEOUT_SINCE = 170_000
_PRIMARY_WANTED = "name the primary in databases.server.host, or promote this server"
_WHERE_TO_LOOK = "look at the server and its log, then run again"
# The limit of connections of what a removal that was cut off has left, which can only be removed.
_REMAINS = -2


@dataclass(frozen=True)
class ServerVersion:
    """Version as the server itself tells it: `number` 170006 is 17.6."""

    number: int

    @property
    def major(self) -> int:
        """Major version; dumps and clients are matched by it."""
        return self.number // 10_000

    def __str__(self) -> str:
        return f"{self.major}.{self.number % 10_000}"


@dataclass(frozen=True)
class Rename:
    """One step of a swap; `mark` becomes the comment on the database, None takes one away. `former`: what it was."""

    old: str
    new: str
    mark: str | None = None
    former: str | None = None

    @property
    def reverse(self) -> "Rename":
        """The step that undoes this one, comment included."""
        return Rename(self.new, self.old, self.former, self.mark)


@dataclass(frozen=True)
class PostgresServer:
    """A server and the password to it. Every error names host, port and database, never the password."""

    at: DatabaseServer
    password: str = field(repr=False)
    # Port of this machine that leads there, for what is to be slowed down; the server's name stays for its certificate.
    through_port: int | None = None

    @classmethod
    def reach(cls, at: DatabaseServer, secrets: SecretFiles) -> "PostgresServer":
        """Server with its password read from the mounted Secret; makes no connection."""
        return cls(at, secrets.read(at.password.name, at.password.key))

    def conninfo(self, database: str) -> str:
        """Connection string without the password; fit for an argument list, whatever the name holds."""
        way = {"hostaddr": "127.0.0.1", "port": self.through_port} if self.through_port else {"port": self.at.port}
        return make_conninfo(host=self.at.host, user=self.at.user, dbname=database, sslmode=self.at.ssl_mode, **way)

    @contextmanager
    def connect(self, database: str) -> Iterator[Connection]:
        """Autocommitting connection; raises UnreachableError, or RefusedError when the database does not exist."""
        try:
            connection = psycopg.connect(
                self.conninfo(database),
                password=self.password,
                autocommit=True,
                connect_timeout=_CONNECT_TIMEOUT_SECONDS,
                application_name="catalyx-dr",
                options=SESSION_SETTINGS,
                # A database of no encoding (SQL_ASCII) would give names as bytes.
                client_encoding="UTF8",
            )
        except psycopg.OperationalError as error:
            raise self._explain(database, error) from None
        try:
            with explained(f"{self} database {database!r}"):
                if connection.info.server_version >= _TRANSACTION_TIMEOUT_SINCE:
                    connection.execute("SET transaction_timeout = 0")
                yield connection
        finally:
            connection.close()

    def maintenance(self) -> Any:
        """Connection from which databases are made, renamed and dropped."""
        return self.connect(self.at.maintenance_database)

    def version(self) -> ServerVersion:
        """Version of the server."""
        with self.maintenance() as connection:
            return ServerVersion(connection.info.server_version)

    def _explain(self, database: str, error: psycopg.OperationalError) -> CatalyxDrError:
        text = " ".join(str(error).split())
        # libpq gives no SQLSTATE for a refused connection; the server's words are the only sign.
        if "does not exist" in text and "database" in text:
            return RefusedError(f"{self} has no database {database!r}; correct its name in the validator's databases")
        if "authentication failed" in text:
            return RefusedError(
                f"{self} refused the password of user {self.at.user!r}; "
                f"correct key {self.at.password.key!r} of Secret {self.at.password.name!r}"
            )
        return UnreachableError(f"{self} database {database!r} cannot be reached: {text}; {_WHERE_TO_LOOK}")

    def __str__(self) -> str:
        return f"PostgreSQL at {self.at.host}:{self.at.port}"


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn database errors into errors that name the place and the server's own primary message."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise UnreachableError(f"{place} broke off: {_primary(error)}; {_WHERE_TO_LOOK}") from None
    except errors.ReadOnlySqlTransaction as error:
        raise CatalyxDrError(f"{place}: {_primary(error)}; {_PRIMARY_WANTED}") from None
    except psycopg.Error as error:
        raise CatalyxDrError(f"{place}: {_primary(error)}") from None


def _primary(error: psycopg.Error) -> str:
    # The detail of a database error may hold row values; the primary message does not.
    return error.diag.message_primary or " ".join(str(error).split())


def fetch_value(connection: Connection, query: LiteralString | sql.Composed, *arguments: object) -> Any:
    """First column of the first row, or None when there is no row."""
    # Without arguments a percent sign is none of a placeholder; names may hold some.
    row = connection.execute(query, arguments or None).fetchone()
    return row[0] if row else None


@contextmanager
def exported_snapshot(connection: Connection) -> Iterator[str]:
    """Read-only transaction whose snapshot others may use as long as it is open; yields its id."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    try:
        yield str(fetch_value(connection, "SELECT pg_export_snapshot()"))
    finally:
        if not connection.closed and not connection.broken:
            connection.execute("ROLLBACK")


def database_bytes(connection: Connection) -> int:
    """Size of the connected database on the server's disk, in bytes."""
    return int(fetch_value(connection, "SELECT pg_database_size(current_database())"))


def database_oid(connection: Connection) -> int:
    """Number of the connected database: one that takes its name has another."""
    return int(fetch_value(connection, "SELECT oid FROM pg_database WHERE datname = current_database()"))


def database_sizes(connection: Connection) -> dict[str, int]:
    """Bytes of every database of the server that the user may connect to, by name."""
    query: LiteralString = (
        "SELECT datname, pg_database_size(datname) FROM pg_database WHERE has_database_privilege(datname, 'CONNECT')"
    )
    return {name: int(size) for name, size in connection.execute(query).fetchall()}


def size_of(connection: Connection, name: str) -> int:
    """Size of any database on the server's disk, in bytes; 0 while there is none."""
    return int(fetch_value(connection, "SELECT pg_database_size(oid) FROM pg_database WHERE datname = %s", name) or 0)


def exists(connection: Connection, name: str) -> bool:
    """Tell whether the server has a database of this name; what a removal that was cut off left is none."""
    return _connection_limit(connection, name) not in (None, _REMAINS)


def drop_remains(connection: Connection, name: str) -> None:
    """Drop what a removal that was cut off left of this name, and nothing else."""
    if _connection_limit(connection, name) == _REMAINS:
        drop(connection, name)


def _connection_limit(connection: Connection, name: str) -> int | None:
    found = fetch_value(connection, "SELECT datconnlimit FROM pg_database WHERE datname = %s", name)
    return int(found) if found is not None else None


def check_is_primary(connection: Connection, server: PostgresServer) -> None:
    """Raise RefusedError for a standby, on which no database can be made."""
    if fetch_value(connection, "SELECT pg_is_in_recovery()"):
        raise RefusedError(f"{server} is a standby, on which nothing can be written; {_PRIMARY_WANTED}")


def may_create(connection: Connection) -> bool:
    """Tell whether the user may create databases."""
    query: LiteralString = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
    return bool(fetch_value(connection, query))


def may_rename(connection: Connection, name: str) -> bool:
    """Tell whether the user may rename an existing database: only its owner may."""
    query: LiteralString = "SELECT pg_has_role(current_user, datdba, 'MEMBER') FROM pg_database WHERE datname = %s"
    return bool(fetch_value(connection, query, name))


def give_to(connection: Connection, name: str, role: str) -> None:
    """Make the role the owner of a database, in which whatever role owns a schema may have made it."""
    for statement in (sql.SQL("ALTER DATABASE {0} OWNER TO {1}"), sql.SQL("GRANT CREATE ON DATABASE {0} TO PUBLIC")):
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(role)))


def drop(connection: Connection, name: str) -> None:
    """Drop a database with every connection to it; one that is gone already is no error."""
    statement = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    try:
        connection.execute(statement + sql.SQL(" WITH (FORCE)"))
    except errors.InsufficientPrivilege:
        # An autovacuum that goes on there is nobody's to end; without FORCE the server ends its own.
        connection.execute(statement)


def mark(connection: Connection, name: str, text: str | None) -> None:
    """Write a comment on a database, or take it away; it stays with the database when that is renamed."""
    connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(text)))


def comments(connection: Connection) -> dict[str, str]:
    """Comment of every database that has one, by name."""
    query: LiteralString = (
        "SELECT datname, text FROM pg_database, LATERAL shobj_description(oid, 'pg_database') AS text "
        "WHERE text IS NOT NULL ORDER BY 1"
    )
    return dict(connection.execute(query).fetchall())


def mark_of(connection: Connection, name: str) -> str | None:
    """Comment on a database, or None when there is no comment or no database."""
    query: LiteralString = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
    found = fetch_value(connection, query, name)
    return str(found) if found is not None else None


def swap(connection: Connection, renames: Sequence[Rename], patience: timedelta) -> None:
    """Rename and mark databases in one transaction, all or none.

    Ends the sessions that the user may end, and tries again while others are in the way; raises RefusedError with
    their names when `patience` runs out.
    """
    deadline = time.monotonic() + patience.total_seconds()
    names = [rename.old for rename in renames]
    while True:
        _end_sessions(connection, names)
        try:
            with connection.transaction():
                for rename in renames:
                    connection.execute(
                        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                            sql.Identifier(rename.old), sql.Identifier(rename.new)
                        )
                    )
                    mark(connection, rename.new, rename.mark)
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise RefusedError(
                    f"databases are still in use by {_sessions(connection, names)}; stop what uses them and run again"
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _end_sessions(connection: Connection, names: list[str]) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = ANY(%s) AND pid <> pg_backend_pid() AND usename = current_user",
        [names],
    )


def _sessions(connection: Connection, names: list[str]) -> str:
    # The server's own workers have no user; it ends them itself before it renames a database.
    rows = connection.execute(
        "SELECT DISTINCT usename, application_name, client_addr::text FROM pg_stat_activity "
        "WHERE datname = ANY(%s) AND usename IS NOT NULL",
        [names],
    ).fetchall()
    prepared = connection.execute("SELECT gid FROM pg_prepared_xacts WHERE database = ANY(%s)", [names]).fetchall()
    return ", ".join(
        [
            *sorted(f"{user} ({program or 'unnamed'} at {address})" for user, program, address in rows),
            *(f"the prepared transaction {gid!r} (COMMIT PREPARED or ROLLBACK PREPARED it)" for (gid,) in prepared),
        ]
    )
