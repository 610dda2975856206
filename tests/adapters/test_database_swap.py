"""Swapping databases: all or none, on one server and on two."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg import sql

from catalyx_dr.adapters.postgres import PostgresServer, comments, mark
from catalyx_dr.adapters.postgres_client import PostgresClient
from catalyx_dr.model.databases import Database, DatabaseRole, DatabaseServer
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.operations.database_swap import replaced_names, swap_in
from catalyx_dr.operations.loading import LoadTarget
from catalyx_dr.rules.database_names import AsideMark
from tests.fixtures_postgres import PASSWORD, USER, ThrowawayServer

_SOON = timedelta(seconds=1)
_NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
Targets = Callable[[bool], tuple[LoadTarget, LoadTarget]]


@pytest.fixture
def targets(validator_databases: ThrowawayServer) -> Targets:
    """Loaded databases for both roles, on one server or under two of its addresses."""

    def make(two_servers: bool) -> tuple[LoadTarget, LoadTarget]:
        hosts = ("127.0.0.1", "localhost" if two_servers else "127.0.0.1")
        names = ("cantonnet_validator", "participant")
        made = [_target(validator_databases, *each) for each in zip(DatabaseRole, names, hosts, strict=True)]
        return made[0], made[1]

    return make


def _target(server: ThrowawayServer, role: DatabaseRole, name: str, host: str) -> LoadTarget:
    loading = f"loading_{role}"
    server.create(loading, "CREATE TABLE public.restored ()")
    at = DatabaseServer(host=host, port=server.port, user=USER)
    return LoadTarget(
        role=role,
        database=Database(name=name, schema_name="any", storage=Quantity.parse("1Gi")),
        server=PostgresServer(at, PASSWORD),
        client=PostgresClient(server.programs, "15", Path("/nonexistent")),
        loading=loading,
        replaced=f"replaced_{role}",
        mark="mark",
        owner="here/acme",
        request_id="r1",
    )


def _is_restored(server: ThrowawayServer, name: str) -> bool:
    return server.value(name, "SELECT to_regclass('public.restored') IS NOT NULL") is True


@pytest.mark.parametrize("two_servers", [False, True])
def test_both_are_swapped(validator_databases: ThrowawayServer, targets: Targets, two_servers: bool) -> None:
    both = targets(two_servers)

    swap_in(both, _SOON, _NOW)

    assert all(_is_restored(validator_databases, target.database.name) for target in both)
    assert replaced_names(both) == {
        "validator-app": "replaced_validator-app",
        "participant": "replaced_participant",
    }
    with both[0].server.maintenance() as connection:
        told = comments(connection)
    assert told["participant"] == "mark"
    aside = AsideMark.parse(told["replaced_participant"])
    assert aside == AsideMark("participant", "here/acme", _NOW, "restore", "r1")


@pytest.mark.parametrize("two_servers", [False, True])
@pytest.mark.parametrize("busy", ["cantonnet_validator", "participant"])
def test_neither_is_swapped_while_one_is_in_use(
    validator_databases: ThrowawayServer, targets: Targets, two_servers: bool, busy: str
) -> None:
    both = targets(two_servers)
    with both[0].server.maintenance() as connection:
        mark(connection, "cantonnet_validator", "of an earlier restore")
        mark(connection, both[0].loading, both[0].mark)
        before = comments(connection)

    with validator_databases.admin(busy), pytest.raises(RefusedError, match="still in use by postgres"):
        swap_in(both, _SOON, _NOW)

    assert not any(_is_restored(validator_databases, target.database.name) for target in both)
    assert replaced_names(both) == {}
    with both[0].server.maintenance() as connection:
        assert comments(connection) == before, "what was exchanged and put back is what it was"


def test_prepared_transaction_in_the_way_is_named(validator_databases: ThrowawayServer, targets: Targets) -> None:
    with validator_databases.owner("participant") as connection:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM participant.lapi_events")
        connection.execute("PREPARE TRANSACTION 'left'")
    try:
        with pytest.raises(RefusedError, match=r"by the prepared transaction 'left' \(COMMIT PREPARED or ROLLBACK"):
            swap_in(targets(False), _SOON, _NOW)
    finally:
        validator_databases.run("participant", sql.SQL("ROLLBACK PREPARED 'left'"))


def test_missing_database_is_only_taken_the_place_of(validator_databases: ThrowawayServer, targets: Targets) -> None:
    validator_databases.run("postgres", sql.SQL("DROP DATABASE participant"))
    both = targets(False)

    swap_in(both, _SOON, _NOW)

    assert _is_restored(validator_databases, "participant")
    assert replaced_names(both) == {"validator-app": "replaced_validator-app"}
