"""Fresh databases in place of those of a lost validator, which are renamed, marked, and never dropped here."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count, takewhile

from catalyx_dr.adapters.canton_database import participant_id
from catalyx_dr.adapters.database_twin import create_like
from catalyx_dr.adapters.postgres import (
    PostgresServer,
    Rename,
    check_is_primary,
    drop_remains,
    exists,
    may_create,
    may_rename,
    swap,
)
from catalyx_dr.model.databases import Database, DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError
from catalyx_dr.rules.database_names import AsideMark, is_aside


def obstacles(server: PostgresServer, database: Database) -> list[str]:
    """Why the database could not be set aside and made anew; empty when nothing is in the way. Changes nothing."""
    with server.maintenance() as connection:
        check_is_primary(connection, server)
        found = []
        if not may_create(connection):
            found.append(f"user {server.at.user!r} may not create databases on {server}: ALTER ROLE … CREATEDB")
        if exists(connection, database.name) and not may_rename(connection, database.name):
            found.append(
                f"user {server.at.user!r} does not own database {database.name!r} on {server}, so cannot rename it"
            )
        return found


def replace_by_fresh(
    server: PostgresServer, database: Database, aside: str, mark: AsideMark, patience: timedelta
) -> tuple[str, ...]:
    """Set the database aside under the name `aside` and create an empty one like it; returns the names that are kept.

    None are kept when there was none: the disaster. A second call for the same request continues where the first was
    cut off. Only the database is made, as the chart's own init container does; its user makes the schema.
    """
    with server.maintenance() as connection:
        kept = list(takewhile(lambda name: exists(connection, name), _numbered(aside)))
        if exists(connection, database.name):
            free = next(name for name in _numbered(aside) if not exists(connection, name))
            swap(connection, [Rename(database.name, free, str(mark))], patience)
            kept.append(free)
        drop_remains(connection, database.name)
        create_like(connection, database.name, kept[0] if kept else aside)
        return tuple(kept)


def participant_ids(server: PostgresServer, database: Database) -> dict[str, str]:
    """Database name to participant id, for the declared database and every one set aside on the server."""
    with server.maintenance() as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()
            if name == database.name or (is_aside(name) and DatabaseRole.PARTICIPANT in name)
        ]
    return dict(_readable_ids(server, database, names))


def _readable_ids(server: PostgresServer, database: Database, names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        try:
            with server.connect(name) as connection:
                found = participant_id(connection, database.schema_name)
        except CatalyxDrError:
            if name == database.name:
                raise
            continue  # what was set aside may belong to somebody else; it only adds to what is known
        if found is not None:
            yield name, found


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in count(2))
