"""Loads the dumps of a set into new databases beside the present ones, and proves what was loaded."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from catalyx_dr.adapters import canton_database, postgres
from catalyx_dr.adapters.database_twin import create_like
from catalyx_dr.adapters.postgres import PostgresServer, ServerVersion
from catalyx_dr.adapters.postgres_client import PostgresClient, client_for
from catalyx_dr.model.backup_set import DatabaseCapture, Manifest
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.validator_spec import Database, DatabaseRole, ValidatorSpec
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.capture_order import check_offsets

_SHOWN = 3


@dataclass(frozen=True)
class LoadTarget:
    """Where one database of the set goes: loaded under one name, then swapped with the present one."""

    role: DatabaseRole
    database: Database
    server: PostgresServer
    client: PostgresClient
    loading: str
    replaced: str
    mark: str
    owners: bool = True

    def is_loaded(self) -> bool:
        """Tell whether this request has loaded and proven it already."""
        with self.server.maintenance() as connection:
            return postgres.mark_of(connection, self.loading) == self.mark

    def is_swapped(self) -> bool:
        """Tell whether this request's database is in place already."""
        with self.server.maintenance() as connection:
            return postgres.mark_of(connection, self.database.name) == self.mark

    def discard(self) -> None:
        """Drop what was loaded; what is in place is another database by then."""
        with self.server.maintenance() as connection:
            postgres.drop(connection, self.loading)


def targets_of(
    spec: ValidatorSpec, manifest: Manifest, request_id: str, surroundings: Surroundings
) -> tuple[LoadTarget, ...]:
    """Targets in the order of the set; raises RefusedError or UnreachableError when a server cannot be used.

    Names must not begin with `participant`: Splice's chart takes such a database for a participant's (domain 1.4).
    """
    suffix = hashlib.sha256(f"{spec.namespace}/{spec.name}/{request_id}".encode()).hexdigest()[:8]
    mark = f"catalyx-dr: set {manifest.set_id} restored by request {request_id} of {spec.namespace}/{spec.name}"
    return tuple(_target(spec, role, suffix, mark, surroundings) for role in DatabaseRole)


def load(target: LoadTarget, manifest: Manifest, folder: Path, jobs: int, say: Callable[[str], None]) -> None:
    """Load into a new database and prove it; raises UnprovenError, and then the present database is as it was."""
    target.discard()
    with target.server.maintenance() as connection:
        refused = create_like(connection, target.loading, target.database.name)
    for fault in refused:
        say(f"attention: {fault} of {target.database.name!r} could not be given to the restored database")
    target.client.load(target.server, target.loading, folder / target.role, jobs=jobs, owners=target.owners)
    with target.server.connect(target.loading) as connection:
        # Without statistics the first queries of a large participant take minutes.
        connection.execute("ANALYZE")
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


def _target(spec: ValidatorSpec, role: DatabaseRole, suffix: str, mark: str, surroundings: Surroundings) -> LoadTarget:
    server = PostgresServer.reach(spec.databases.server_of(role), surroundings.secrets)
    version: ServerVersion = server.version()
    return LoadTarget(
        role=role,
        database=spec.databases.of(role),
        server=server,
        client=client_for(version, surroundings.scratch),
        loading=f"loading_{role}_{suffix}",
        replaced=f"replaced_{role}_{suffix}",
        mark=mark,
    )


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
