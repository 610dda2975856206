"""Databases that recoveries left on the servers: dropped when their time is over, or when nobody needs them."""

from collections.abc import Callable, Iterator

from catalyx_dr.adapters import postgres
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError
from catalyx_dr.model.record import RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.database_names import AsideMark, is_aside, is_loading, owner_of


def drop_outdated(spec: ValidatorSpec, surroundings: Surroundings, say: Callable[[str], None]) -> list[str]:
    """Drop what was set aside longer ago than `replacedDatabasesKeep`; returns what went wrong, in words.

    Only what carries this validator's mark, and only when the recovery that set it aside is proven: until then it is
    the way back.
    """
    faults = []
    for server in _servers(spec, surroundings):
        try:
            with server.maintenance() as connection:
                for name, mark in _aside(connection, spec):
                    if not mark.is_due(spec.replaced_databases_keep, surroundings.now()):
                        continue
                    if not _is_proven(spec, surroundings, mark):
                        say(f"database {name} stays beyond its time: {mark.by} {mark.request} is not proven")
                        continue
                    postgres.drop(connection, name)
                    say(f"dropped database {name}, set aside at {mark.until:%Y-%m-%d %H:%M} UTC by {mark.request}")
        except CatalyxDrError as error:
            faults.append(f"databases that were set aside were not dropped: {error}")
    return faults


def drop_leftovers(
    spec: ValidatorSpec, keep: frozenset[str], surroundings: Surroundings, say: Callable[[str], None]
) -> None:
    """Drop what other requests of this validator loaded and never swapped in; only to be called under the lock."""
    for server in _servers(spec, surroundings):
        with server.maintenance() as connection:
            for name, comment in postgres.comments(connection).items():
                if is_loading(name) and name not in keep and comment.endswith(f" of {owner_of(spec)}"):
                    postgres.drop(connection, name)
                    say(f"dropped database {name}, which an unfinished restore left")


def _servers(spec: ValidatorSpec, surroundings: Surroundings) -> list[PostgresServer]:
    declared = dict.fromkeys(spec.databases.server_of(role) for role in DatabaseRole)
    return [PostgresServer.reach(at, surroundings.secrets) for at in declared]


def _aside(connection: postgres.Connection, spec: ValidatorSpec) -> Iterator[tuple[str, AsideMark]]:
    for name, comment in postgres.comments(connection).items():
        mark = AsideMark.parse(comment)
        if is_aside(name) and mark is not None and mark.owner == owner_of(spec):
            yield name, mark


def _is_proven(spec: ValidatorSpec, surroundings: Surroundings, mark: AsideMark) -> bool:
    record = surroundings.records.find(RecordKind(mark.by), spec.name, mark.request)
    return record is not None and record.status is RecordStatus.COMPLETED
