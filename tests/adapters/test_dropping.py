"""A database is dropped by its owner, who is no superuser, whatever the server itself does in it."""

import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from catalyx_dr.adapters import postgres
from tests.fixtures_postgres import MAINTENANCE, ThrowawayServer

_EAGER = {"autovacuum_naptime": "1s", "autovacuum_vacuum_cost_delay": "100ms", "autovacuum_vacuum_cost_limit": "1"}


@pytest.fixture
def vacuumed(postgres_server: ThrowawayServer) -> Iterator[ThrowawayServer]:
    """A server whose autovacuum is at work in the database `vacuumed`, slowly."""
    for name, value in _EAGER.items():
        postgres_server.run("postgres", sql.SQL("ALTER SYSTEM SET {} = {}"), sql.Identifier(name), value)
    postgres_server.run("postgres", sql.SQL("SELECT pg_reload_conf()"))
    postgres_server.create(
        "vacuumed", "CREATE TABLE large AS SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n"
    )
    yield postgres_server
    postgres_server.run("postgres", sql.SQL("ALTER SYSTEM RESET ALL"))
    postgres_server.run("postgres", sql.SQL("SELECT pg_reload_conf()"))
    postgres_server.drop_all()


def _works(server: ThrowawayServer) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'vacuumed' AND backend_type = 'autovacuum worker'"
    return bool(server.value("postgres", query))


def test_autovacuum_keeps_no_owner_from_dropping(vacuumed: ThrowawayServer) -> None:
    deadline = time.monotonic() + 60
    while not _works(vacuumed):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    with vacuumed.owner(MAINTENANCE) as owner:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("DROP DATABASE vacuumed WITH (FORCE)")
        postgres.drop(owner, "vacuumed")

    assert "vacuumed" not in vacuumed.databases()
