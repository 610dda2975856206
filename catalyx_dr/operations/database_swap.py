"""Puts loaded databases in the place of the present ones by renaming, all or none, and keeps the present ones."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from catalyx_dr.adapters import postgres
from catalyx_dr.adapters.postgres import PostgresServer, Rename
from catalyx_dr.operations.loading import LoadTarget


def swap_in(targets: Sequence[LoadTarget], patience: timedelta) -> None:
    """Swap every target: in one transaction on one server; where there are two, the first is undone for the second.

    `patience`: how long sessions that are left may keep a database in use.
    """
    done: list[tuple[PostgresServer, list[Rename]]] = []
    for server, group in groupby(targets, key=lambda target: target.server):
        renames = [rename for target in group for rename in _renames(target)]
        try:
            with server.maintenance() as connection:
                postgres.swap(connection, renames, patience)
        except BaseException:
            for other, made in reversed(done):
                with other.maintenance() as connection:
                    postgres.swap(connection, [rename.reverse for rename in reversed(made)], patience)
            raise
        done.append((server, renames))


def replaced_names(targets: Sequence[LoadTarget]) -> dict[str, str]:
    """Role to the name under which its former database is kept; a role that had none is left out."""
    names = {}
    for target in targets:
        with target.server.maintenance() as connection:
            if postgres.exists(connection, target.replaced):
                names[str(target.role)] = target.replaced
    return names


def _renames(target: LoadTarget) -> list[Rename]:
    with target.server.maintenance() as connection:
        present = postgres.exists(connection, target.database.name)
    aside = [Rename(target.database.name, target.replaced)] if present else []
    return [*aside, Rename(target.loading, target.database.name)]
