"""Puts databases in the place of the present ones by renaming, all or none, and keeps the present ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from catalyx_dr.adapters import postgres
from catalyx_dr.adapters.postgres import PostgresServer, Rename
from catalyx_dr.model.record import RecordKind
from catalyx_dr.operations.loading import LoadTarget
from catalyx_dr.rules.database_names import AsideMark


@dataclass(frozen=True)
class Exchange:
    """`coming` takes the place `name`; what is there, if anything, goes `aside` and is marked so.

    `coming_mark`: comment of the one that comes, None for none.
    """

    server: PostgresServer
    name: str
    coming: str
    aside: str
    aside_mark: str
    coming_mark: str | None

    def renames(self) -> list[Rename]:
        """Steps that are to be done now."""
        with self.server.maintenance() as connection:
            present = postgres.exists(connection, self.name)
            in_place, coming = (postgres.mark_of(connection, name) for name in (self.name, self.coming))
        aside = [Rename(self.name, self.aside, self.aside_mark, in_place)] if present else []
        return [*aside, Rename(self.coming, self.name, self.coming_mark, coming)]


def swap_in(targets: Sequence[LoadTarget], patience: timedelta, now: datetime) -> None:
    """Put every loaded database in its place."""
    exchange([_exchange(target, now) for target in targets], patience)


def exchange(wanted: Sequence[Exchange], patience: timedelta) -> None:
    """Make every exchange: in one transaction on one server; where there are two, the first is undone for the second.

    `patience`: how long sessions that are left may keep a database in use.
    """
    done: list[tuple[PostgresServer, list[Rename]]] = []
    for server, group in groupby(wanted, key=lambda one: one.server):
        renames = [rename for one in group for rename in one.renames()]
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


def _exchange(target: LoadTarget, now: datetime) -> Exchange:
    mark = AsideMark(target.database.name, target.owner, now, RecordKind.RESTORE, target.request_id)
    return Exchange(target.server, target.database.name, target.loading, target.replaced, str(mark), target.mark)
