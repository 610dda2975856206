"""Statistics for the planner, by several sessions: what a database is without after it was loaded."""

from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

from psycopg import sql

from catalyx_dr.adapters.postgres import PostgresServer

_LARGEST_FIRST: LiteralString = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    ORDER BY c.relpages DESC"""


def analyze(server: PostgresServer, database: str, sessions: int) -> None:
    """Run ANALYZE on every table; raises UnreachableError or CatalyxDrError."""
    with server.connect(database) as connection:
        tables = iter(connection.execute(_LARGEST_FIRST).fetchall())

    def analyze_what_is_left() -> None:
        with server.connect(database) as connection:
            for schema, table in tables:
                connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table)))

    with ThreadPoolExecutor(sessions, thread_name_prefix="analyze") as pool:
        for one in [pool.submit(analyze_what_is_left) for _ in range(sessions)]:
            one.result()
