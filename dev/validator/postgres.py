"""Connections to the PostgreSQL database of one role, and its schema."""

import logging
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import psycopg
import tenacity
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

LOG = logging.getLogger(__name__)

# A lost database may come back by a restore: waiting beats restarting with ever longer pauses.
WAIT_FOR_DATABASE_SECONDS = 600
POLL_SECONDS = 0.5
GET_CONNECTION_SECONDS = 3

Connection = psycopg.Connection[DictRow]
Pool = ConnectionPool[Connection]


@dataclass(frozen=True)
class DatabaseAddress:
    """Where a role's tables are."""

    host: str
    port: int
    database: str
    schema: str
    user: str
    password: str = field(repr=False)

    def connection_arguments(self) -> dict[str, Any]:
        """Keyword arguments of `psycopg.connect`; the schema is the whole search path."""
        return {
            "host": self.host,
            "port": self.port,
            "dbname": self.database,
            "user": self.user,
            "password": self.password,
            "options": f"-c search_path={self.schema}",
            "connect_timeout": 5,
            "row_factory": dict_row,
        }


def connect_when_there(address: DatabaseAddress) -> Connection:
    """Open a connection, waiting until the database exists and answers.

    Raises psycopg.OperationalError after WAIT_FOR_DATABASE_SECONDS.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(psycopg.OperationalError),
        stop=tenacity.stop_after_delay(WAIT_FOR_DATABASE_SECONDS),
        wait=tenacity.wait_fixed(POLL_SECONDS),
        before_sleep=_log_first_failure,
        reraise=True,
    )(lambda: psycopg.connect(**address.connection_arguments()))


def _log_first_failure(state: tenacity.RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome is not None:
        LOG.warning("waiting for the database: %s", state.outcome.exception())


def create_tables(connection: Connection, address: DatabaseAddress, sql_file: str) -> None:
    """Create the schema and run `sql/<sql_file>`, which only adds what is missing."""
    statements = (files("dev.validator") / "sql" / sql_file).read_text()
    with connection.transaction():
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(address.schema)))
        connection.execute(statements.encode())


def open_pool(address: DatabaseAddress) -> Pool:
    """A pool that replaces broken connections and reports an absent database within a few seconds."""
    return ConnectionPool(
        kwargs=address.connection_arguments(),
        connection_class=Connection,
        min_size=1,
        max_size=6,
        timeout=GET_CONNECTION_SECONDS,
        check=ConnectionPool.check_connection,
        open=True,
    )
