"""The validator's databases as its owner sees them: made empty, or lost."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from lightkube import Client
from psycopg import sql
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from dev.platform.objects import read_secret
from dev.platform.reaching import reached

DATABASES = ("cantonnet_validator", "participant")


@contextmanager
def maintenance_connection(api: Client, namespace: str) -> Iterator[psycopg.Connection]:
    """Connection as cnadmin to the maintenance database."""
    with reached(api, namespace, "postgres", 5432) as (host, port), _connect(api, namespace, host, port) as connection:
        yield connection


# A ready pod is reachable through its Service only when the proxy has heard of it.
@retry(
    retry=retry_if_exception_type(psycopg.OperationalError),
    stop=stop_after_delay(60),
    wait=wait_fixed(0.5),
    reraise=True,
)
def _connect(api: Client, namespace: str, host: str, port: int) -> psycopg.Connection:
    secret = read_secret(api, namespace, "postgres-secrets") or {}
    return psycopg.connect(
        host=host,
        port=port,
        user="cnadmin",
        password=secret["postgresPassword"],
        dbname="cantonnet",
        autocommit=True,
        connect_timeout=10,
    )


def create_missing(api: Client, namespace: str) -> list[str]:
    """Make the databases that are not there, empty; returns their names."""
    with maintenance_connection(api, namespace) as connection:
        present = {row[0] for row in connection.execute("select datname from pg_database")}
        missing = [name for name in DATABASES if name not in present]
        for name in missing:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return missing


def wreck(api: Client, namespace: str) -> None:
    """The disaster: both databases are gone, with whatever is connected to them."""
    with maintenance_connection(api, namespace) as connection:
        for name in DATABASES:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
