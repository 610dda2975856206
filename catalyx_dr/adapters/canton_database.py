"""What Canton and Splice keep in their databases: ledger offsets, the participant's id, rows (domain 1.2, 4)."""

from collections.abc import Mapping
from typing import LiteralString

from psycopg import errors, sql

from catalyx_dr.adapters.postgres import Connection, fetch_value
from catalyx_dr.model.databases import Database, DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError, RefusedError

_LARGE_OBJECTS = "pg_catalog.pg_largeobject_metadata"
# The tables by which each database is known, and which hold its offset.
_OFFSET_TABLES = {
    DatabaseRole.VALIDATOR_APP: "store_last_ingested_offsets",
    DatabaseRole.PARTICIPANT: "lapi_parameters",
}
# Tables of extensions are made by CREATE EXTENSION and not dumped; partitioned tables hold no rows themselves.
_TABLES: LiteralString = """
    SELECT n.nspname, c.relname, format('%I.%I', n.nspname, c.relname), c.oid
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype = 'e')
    ORDER BY 3"""


def check_is_database_of(connection: Connection, role: DatabaseRole, database: Database) -> None:
    """Raise RefusedError when the connected database lacks the table by which the role's database is known.

    A wrong name is otherwise silent: everything is healthy, and the backup holds no identity (domain 1.2).
    """
    table = _OFFSET_TABLES[role]
    if not _has_table(connection, database.schema_name, table):
        raise RefusedError(
            f"database {database.name!r} has no table {database.schema_name}.{table}, so it is not the {role} "
            "database of a validator; correct its name or schema in the validator's databases"
        )


def check_is_readable(connection: Connection, database: Database) -> None:
    """Raise RefusedError for a table of which the user may not read every row: pg_dump would fail at it."""
    query = sql.SQL(
        "SELECT label, row_security_active(oid) FROM ({}) AS t (schema, name, label, oid) "
        "WHERE NOT has_table_privilege(oid, 'SELECT') OR row_security_active(oid)"
    ).format(sql.SQL(_TABLES))
    user = connection.info.user
    for label, rows_are_hidden in connection.execute(query).fetchall():
        remedy = f"ALTER ROLE {user} BYPASSRLS" if rows_are_hidden else f"GRANT SELECT ON {label} TO {user}"
        raise RefusedError(
            f"user {user!r} may not read {'every row' if rows_are_hidden else 'any row'} of table {label} in database "
            f"{database.name!r}, so it cannot be dumped; {remedy}"
        )


def lock_tables(connection: Connection) -> None:
    """Keep every table that a dump holds as it is until the transaction ends; raises CatalyxDrError.

    Called when pg_dump has its own locks, and without waiting: whoever changes a table waits for pg_dump, and a count
    that waited for them would find the table changed.
    """
    found = connection.execute(_TABLES).fetchall()
    names = sql.SQL(", ").join(sql.SQL("ONLY {}").format(sql.Identifier(*row[:2])) for row in found)
    try:
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE NOWAIT").format(names))
    except errors.LockNotAvailable as error:
        raise CatalyxDrError(
            f"{error.diag.message_primary}: somebody changes the schema; run again when that is done"
        ) from None


def ledger_offset(connection: Connection, role: DatabaseRole, schema: str) -> int | None:
    """Ledger offset that the app has ingested, or the participant's ledger end; None when there is none yet."""
    if role is DatabaseRole.VALIDATOR_APP:
        return _ingested_offset(connection, schema)
    end = fetch_value(connection, _in(schema, "SELECT max(ledger_end) FROM {}.lapi_parameters"))
    return int(end) if end is not None else None


def participant_id(connection: Connection, schema: str) -> str | None:
    """Participant's id `PAR::identifier::namespace`, or None before it was initialised."""
    if not _has_table(connection, schema, "common_node_id"):
        return None
    row = connection.execute(_in(schema, "SELECT identifier, namespace FROM {}.common_node_id")).fetchone()
    return f"PAR::{row[0]}::{row[1]}" if row else None


def schema_steps(connection: Connection, schema: str) -> int | None:
    """Steps that the schema has taken, as Flyway counts them in Canton's and Splice's databases; None without such."""
    if not _has_table(connection, schema, "flyway_schema_history"):
        return None
    return int(fetch_value(connection, _in(schema, "SELECT count(*) FROM {}.flyway_schema_history")))


def row_counts(connection: Connection) -> Mapping[str, int]:
    """Rows of every table that a dump holds, and the number of large objects; keys are quoted where SQL wants it."""
    counts = {_LARGE_OBJECTS: int(fetch_value(connection, "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata"))}
    for schema, table, label, _ in connection.execute(_TABLES).fetchall():
        query = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table))
        counts[label] = int(fetch_value(connection, query))
    return counts


def filled_tables(connection: Connection) -> tuple[str, ...]:
    """Labels of tables with 1000 rows or more, which nothing empties and fills again in passing; no more is read."""
    query: LiteralString = "SELECT EXISTS (SELECT FROM ONLY {} OFFSET 999)"
    return tuple(
        label
        for schema, table, label, _ in connection.execute(_TABLES).fetchall()
        if fetch_value(connection, sql.SQL(query).format(sql.Identifier(schema, table)))
    )


def tables(connection: Connection) -> Mapping[int, str]:
    """Tables that a dump holds: OID to the label under which their rows are counted."""
    return {oid: label for _, _, label, oid in connection.execute(_TABLES).fetchall()}


def _ingested_offset(connection: Connection, schema: str) -> int | None:
    rows = connection.execute(
        _in(
            schema,
            "SELECT last_ingested_offset FROM {0}.store_last_ingested_offsets "
            "WHERE migration_id = (SELECT max(migration_id) FROM {0}.store_last_ingested_offsets)",
        )
    ).fetchall()
    # Offsets are hexadecimal text; compared as text, one of another length would win.
    return max((int(offset, 16) for (offset,) in rows if offset), default=None)


def _has_table(connection: Connection, schema: str, table: str) -> bool:
    query: LiteralString = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s"
    return fetch_value(connection, query, schema, table) is not None


def _in(schema: str, query: LiteralString) -> sql.Composed:
    return sql.SQL(query).format(sql.Identifier(schema))
