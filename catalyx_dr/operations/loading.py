"""Loads the dumps of a set into new databases beside the present ones, and proves what was loaded."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from catalyx_dr.adapters import canton_database, postgres
from catalyx_dr.adapters.database_twin import create_like
from catalyx_dr.adapters.dump_files import dump_path
from catalyx_dr.adapters.postgres import PostgresServer, Rename, ServerVersion
from catalyx_dr.adapters.postgres_client import PostgresClient, client_for
from catalyx_dr.adapters.table_statistics import analyze
from catalyx_dr.model.backup_set import DatabaseCapture, Manifest
from catalyx_dr.model.databases import Database, DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnprovenError
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.capture_order import check_offsets
from catalyx_dr.rules.database_names import (
    loading_mark,
    loading_name,
    owner_of,
    replaced_name,
    restored_mark,
    suffix_of,
    unmarked_name,
)

_SHOWN = 3
# pg_restore gives no SQLSTATE; the server's words are the only sign of a fault of rights.
_OF_RIGHTS = re.compile(r'permission denied|must be (?:owner|member|superuser|able)|only superuser|role ".*" does not')


@dataclass(frozen=True)
class LoadTarget:
    """Where one database of the set goes: loaded under one name, then swapped with the present one.

    `owners`: the server knows the roles that own something; `as_role`: whose rights are used, instead of the user's.
    """

    role: DatabaseRole
    database: Database
    server: PostgresServer
    client: PostgresClient
    loading: str
    replaced: str
    mark: str
    owner: str
    request_id: str
    owners: bool = True
    as_role: str | None = None

    def is_loaded(self) -> bool:
        """Tell whether this request has loaded and proven it already."""
        with self.server.maintenance() as connection:
            return postgres.mark_of(connection, self.loading) == self.mark

    def is_swapped(self) -> bool:
        """Tell whether this request's database is in place already."""
        with self.server.maintenance() as connection:
            return postgres.mark_of(connection, self.database.name) == self.mark

    def is_present(self) -> bool:
        """Tell whether there is a database in the place."""
        with self.server.maintenance() as connection:
            return postgres.exists(connection, self.database.name)

    def loaded_bytes(self) -> int:
        """Size of what is loaded so far, in bytes."""
        with self.server.maintenance() as connection:
            return postgres.size_of(connection, self.loading)

    def discard(self) -> None:
        """Drop what was loaded; what is in place is another database by then."""
        drop_loaded(self.server, self.loading)


def drop_loaded(server: PostgresServer, loading: str) -> None:
    """Drop a database that is being loaded, whether it has its mark yet or not."""
    with server.maintenance() as connection:
        for name in (loading, unmarked_name(loading)):
            postgres.drop(connection, name)


def targets_of(
    spec: ValidatorSpec, manifest: Manifest, request_id: str, surroundings: Surroundings
) -> tuple[LoadTarget, ...]:
    """Targets in the order of the set; raises RefusedError or UnreachableError when a server cannot be used."""
    suffix = suffix_of(spec, request_id)
    mark = restored_mark(spec, request_id, manifest.set_id)
    return tuple(_target(spec, role, suffix, mark, request_id, surroundings) for role in DatabaseRole)


def try_schemas(targets: Sequence[LoadTarget], folder: Path) -> None:
    """Load everything but rows once: what the user may not make again is known at once, and not after hours.

    Raises RefusedError for a role that is missing, an extension that only a superuser may create, and the like;
    CatalyxDrError for what no right helps against: a full disk, an extension that the server has not.
    """
    for target in targets:
        dump = dump_path(folder, target.role)
        with target.server.maintenance() as connection:
            _make_empty(connection, target, dump)
        try:
            target.client.load(
                target.server, target.loading, dump, role=target.as_role, owners=target.owners, rows=False
            )
        except CatalyxDrError as error:
            if not _OF_RIGHTS.search(str(error)):
                raise
            user = target.as_role or target.server.at.user
            raise RefusedError(
                f"user {user!r} cannot load what the {target.role} dump holds: {error}; where roles or rights are "
                f"missing, create the roles, GRANT those that own something to {user}, or make it SUPERUSER for this "
                "request, and run again"
            ) from None


def load_all(
    targets: Sequence[LoadTarget],
    manifest: Manifest,
    folder: Path,
    jobs: int,
    attend: Callable[[str], None],
    *,
    in_place: bool = False,
) -> None:
    """Load all at the same time: one builds its last index while another copies rows. Errors are those of `load`.

    The participant, which takes longest, has `jobs` sessions, another database half as many. In place, where there is
    no room for much, one after the other.
    """
    with ThreadPoolExecutor(1 if in_place else len(targets), thread_name_prefix="load") as pool:
        loads = [
            pool.submit(load, target, manifest, folder, sessions, attend, in_place=in_place)
            for target in targets
            for sessions in (jobs if target.role is DatabaseRole.PARTICIPANT or in_place else max(jobs // 2, 1),)
        ]
        try:
            for one in as_completed(loads):
                one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # Ends the sessions of those that still load.
            for target in targets if not in_place else ():
                with suppress(CatalyxDrError):
                    target.discard()
            raise


def load(
    target: LoadTarget,
    manifest: Manifest,
    folder: Path,
    jobs: int,
    attend: Callable[[str], None],
    *,
    in_place: bool = False,
) -> None:
    """Load into a new database and prove it; raises UnprovenError, and then the present database is as it was.

    `in_place`: the present database is dropped first, when an empty one like it is made. `attend` hears of what is not
    as it was, and holds up nobody's database: settings, rights on `public`, the content of a materialized view.
    """
    dump = dump_path(folder, target.role)
    with target.server.maintenance() as connection:
        refused = _make_empty(connection, target, dump)
        if in_place:
            postgres.drop(connection, target.database.name)
    for fault in refused:
        attend(f"{fault} of {target.database.name!r} could not be given to the restored database")
    target.client.load(
        target.server,
        target.loading,
        dump,
        jobs=jobs,
        role=target.as_role,
        owners=target.owners,
        # Such as rights on the schema `public`, which is a superuser's before PostgreSQL 15.
        warned=lambda warning: attend(f"loading {target.database.name!r}: {warning}"),
    )
    # Without statistics the first queries of a large participant take minutes.
    analyze(target.server, target.loading, jobs)
    with target.server.connect(target.loading) as connection:
        _prove_contents(connection, target, manifest)
    with target.server.maintenance() as connection:
        postgres.mark(connection, target.loading, target.mark)


def prove_order(targets: tuple[LoadTarget, ...], names: Callable[[LoadTarget], str]) -> None:
    """Compare the offsets of both databases as they lie on the server; raises UnprovenError."""
    offsets = []
    for target in targets:
        with target.server.connect(names(target)) as connection:
            offsets.append(canton_database.ledger_offset(connection, target.role, target.database.schema_name))
    check_offsets(*offsets)


def _target(
    spec: ValidatorSpec, role: DatabaseRole, suffix: str, mark: str, request_id: str, surroundings: Surroundings
) -> LoadTarget:
    server = PostgresServer.reach(spec.databases.server_of(role), surroundings.secrets)
    version: ServerVersion = server.version()
    return LoadTarget(
        role=role,
        database=spec.databases.of(role),
        server=server,
        client=client_for(version, surroundings.scratch),
        loading=loading_name(role, suffix),
        replaced=replaced_name(role, suffix),
        mark=mark,
        owner=owner_of(spec),
        request_id=request_id,
    )


def _make_empty(connection: postgres.Connection, target: LoadTarget, dump: Path) -> list[str]:
    """New empty database like the present one, or the dump's where there is none.

    An attempt that was cut off in place left only its own to be like.
    """
    unmarked = unmarked_name(target.loading)
    present = postgres.exists(connection, target.database.name)
    postgres.drop_remains(connection, target.database.name)
    postgres.drop(connection, unmarked)
    model = target.database.name if present else target.loading
    refused = create_like(connection, unmarked, model, None if present else target.client.contents(dump).creation())
    if target.as_role:
        postgres.give_to(connection, unmarked, target.as_role)
    postgres.drop(connection, target.loading)
    postgres.swap(
        connection, [Rename(unmarked, target.loading, loading_mark(target.owner, target.request_id))], timedelta()
    )
    return refused


def _prove_contents(connection: postgres.Connection, target: LoadTarget, manifest: Manifest) -> None:
    capture, schema = manifest.capture(target.role), target.database.schema_name
    faults = _count_faults(capture, dict(canton_database.row_counts(connection)))
    offset = canton_database.ledger_offset(connection, target.role, schema)
    if offset != capture.ledger_offset:
        faults.append(f"its ledger offset is {offset}, the set's is {capture.ledger_offset}")
    if target.role is DatabaseRole.PARTICIPANT:
        found = canton_database.participant_id(connection, schema)
        if found != manifest.participant_id:
            faults.append(f"it is of participant {found}, the set is of {manifest.participant_id}")
    if faults:
        more = f" and {len(faults) - _SHOWN} more differences" if len(faults) > _SHOWN else ""
        raise UnprovenError(f"the loaded {target.role} database is not the set's: {'; '.join(faults[:_SHOWN])}{more}")


def _count_faults(capture: DatabaseCapture, found: dict[str, int]) -> list[str]:
    wanted = capture.row_counts
    return [
        f"{table} has {found.get(table, 'no')} rows, the set has {wanted.get(table, 'no')}"
        for table in sorted(wanted.keys() | found.keys())
        if wanted.get(table) != found.get(table)
    ]
