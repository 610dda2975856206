"""Fresh databases in place of those of a lost validator, which are renamed, marked, and never dropped here."""

import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import count, takewhile

from catalyx_dr.adapters.canton_database import participant_id
from catalyx_dr.adapters.database_twin import create_like
from catalyx_dr.adapters.postgres import PostgresServer, Rename, exists, mark, may_create, may_rename, swap
from catalyx_dr.model.errors import CatalyxDrError
from catalyx_dr.model.validator_spec import Database, DatabaseRole


def aside_name(role: DatabaseRole, request_id: str) -> str:
    """Name under which a request sets a database aside; Splice's chart takes `participant%` for a participant's."""
    return f"replaced_{role}_{hashlib.sha256(request_id.encode()).hexdigest()[:8]}"


def obstacles(server: PostgresServer, database: Database) -> list[str]:
    """Why the database could not be set aside and made anew; empty when nothing is in the way. Changes nothing."""
    with server.maintenance() as connection:
        found = []
        if not may_create(connection):
            found.append(f"user {server.at.user!r} may not create databases on {server}: ALTER ROLE … CREATEDB")
        if exists(connection, database.name) and not may_rename(connection, database.name):
            found.append(
                f"user {server.at.user!r} does not own database {database.name!r} on {server}, so cannot rename it"
            )
        return found


def replace_by_fresh(
    server: PostgresServer, role: DatabaseRole, database: Database, request_id: str, patience: timedelta
) -> tuple[str, ...]:
    """Set the database aside and create an empty one like it; returns the names under which this request keeps any.

    None are kept when there was none: the disaster. A second call for the same request continues where the first was
    cut off. Only the database is made, as the chart's own init container does; its user makes the schema.
    """
    with server.maintenance() as connection:
        kept = list(takewhile(lambda name: exists(connection, name), _aside_names(role, request_id)))
        if exists(connection, database.name):
            aside = next(name for name in _aside_names(role, request_id) if not exists(connection, name))
            swap(connection, [Rename(database.name, aside)], patience)
            mark(connection, aside, f"catalyx-dr: was {database.name} until identity import {request_id}")
            kept.append(aside)
        create_like(connection, database.name, kept[0] if kept else aside_name(role, request_id))
        return tuple(kept)


def participant_ids(server: PostgresServer, database: Database) -> dict[str, str]:
    """Database name to participant id, for the declared database and every one set aside on the server."""
    with server.maintenance() as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()
            if name == database.name or re.fullmatch(rf"replaced_{DatabaseRole.PARTICIPANT}_[0-9a-f_]+", name)
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


def _aside_names(role: DatabaseRole, request_id: str) -> Iterator[str]:
    name = aside_name(role, request_id)
    yield name
    yield from (f"{name}_{number}" for number in count(2))
