"""Takes a restore back: the databases that it set aside return to their place; one that is half done is undone."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalyx_dr.adapters import canton_database, postgres, workloads
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.model.databases import Database, DatabaseRole
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.record import READ_SET, Record, RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.database_swap import Exchange, exchange
from catalyx_dr.operations.one_run import one_run
from catalyx_dr.operations.patience import PATIENT, Patience
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.restore_proof import prove_restored
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.database_names import (
    AsideMark,
    loading_name,
    owner_of,
    replaced_name,
    restored_mark,
    rolled_back_name,
    suffix_of,
)

ROLLED_BACK = "rolledBack"


def roll_back(
    spec: ValidatorSpec,
    request_id: str,
    surroundings: Surroundings,
    cluster: Cluster,
    patience: Patience = PATIENT,
) -> Record:
    """Put the databases back that restore `request_id` replaced, and prove the validator; the restored ones are kept.

    A completed rollback is returned as it was; one that was cut off goes on where it was. Raises RefusedError before
    anything is touched when there is nothing to go back to.
    """
    done = surroundings.records.find(RecordKind.ROLLBACK, spec.name, request_id)
    if done is not None and done.status is RecordStatus.COMPLETED:
        return done
    restored = surroundings.records.find(RecordKind.RESTORE, spec.name, request_id)
    if restored is None:
        raise RefusedError(
            f"validator {spec.name!r} has no restore {request_id!r}; there are: {_restores(spec, surroundings)}"
        )
    with (
        one_run(spec, surroundings),
        reporting(RecordKind.ROLLBACK, request_id, spec.name, surroundings.records, surroundings.now) as progress,
    ):
        return _Run(spec, restored, surroundings, cluster, patience, progress).go()


@dataclass(frozen=True)
class _Place:
    """One database of the validator, and its names beside it."""

    role: DatabaseRole
    database: Database
    server: PostgresServer
    loading: str
    replaced: str
    rolled_back: str

    def is_there(self, name: str) -> bool:
        with self.server.maintenance() as connection:
            return postgres.exists(connection, name)

    def mark(self) -> str | None:
        with self.server.maintenance() as connection:
            return postgres.mark_of(connection, self.database.name)


@dataclass(frozen=True)
class _Run:
    spec: ValidatorSpec
    restored: Record
    surroundings: Surroundings
    cluster: Cluster
    patience: Patience
    progress: Progress

    def go(self) -> Record:
        """Go through all phases, or those that are left."""
        self.progress.phase("preflight", 5)
        places = [self._place(role) for role in DatabaseRole]
        back = [place for place in places if not place.is_there(place.rolled_back) and place.mark() == self._mark]
        lost = [place for place in back if not place.is_there(place.replaced)]
        if lost:
            raise RefusedError(
                f"nothing was touched: what restore {self.restored.identifier} replaced is not there any more "
                f"({', '.join(place.role for place in lost)}): there was none, it was dropped when its time "
                f"({self.spec.replaced_databases_keep}) was over, or the restore was in place; restore an older set"
            )
        moved = [place for place in places if place in back or place.is_there(place.rolled_back)]
        if not moved and self.restored.status is RecordStatus.COMPLETED:
            raise RefusedError(
                f"nothing was touched: what restore {self.restored.identifier} put in place is not there any more; a "
                "later recovery took its place: roll that one back, or restore a set"
            )
        self._stop(bool(moved))
        self.progress.phase("swap the databases back", 40)
        exchange([self._exchange(place) for place in back], self.patience.unused)
        for place in places:
            with place.server.maintenance() as connection:
                postgres.drop(connection, place.loading)
        self._start()
        return self._verify(places, moved)

    @property
    def _mark(self) -> str:
        return restored_mark(self.spec, self.restored.identifier, str(self.restored.details.get(READ_SET)))

    def _place(self, role: DatabaseRole) -> _Place:
        suffix = suffix_of(self.spec, self.restored.identifier)
        server = PostgresServer.reach(self.spec.databases.server_of(role), self.surroundings.secrets)
        return _Place(
            role=role,
            database=self.spec.databases.of(role),
            server=server,
            loading=loading_name(role, suffix),
            replaced=replaced_name(role, suffix),
            rolled_back=rolled_back_name(role, suffix),
        )

    def _exchange(self, place: _Place) -> Exchange:
        mark = AsideMark(
            place.database.name,
            owner_of(self.spec),
            self.surroundings.now(),
            RecordKind.ROLLBACK,
            self.restored.identifier,
        )
        return Exchange(place.server, place.database.name, place.replaced, place.rolled_back, str(mark), None)

    def _stop(self, needed: bool) -> None:
        if not needed:
            return
        self.progress.phase("stop the workloads", 15)
        for workload in self.spec.workloads:
            workloads.stop(self.cluster, workload)
        for workload in self.spec.workloads:
            workloads.wait_until_gone(self.cluster, workload, self.patience.stopped)

    def _start(self) -> None:
        self.progress.phase("start the workloads", 60)
        for workload in self.spec.workloads:
            workloads.start(self.cluster, workload)
        for workload in self.spec.workloads:
            workloads.wait_until_ready(self.cluster, workload, self.patience.ready)

    def _verify(self, places: Sequence[_Place], moved: Sequence[_Place]) -> Record:
        self.progress.phase("verify the validator", 80)
        found = prove_restored(
            self.spec,
            self.surroundings.secrets,
            _participant_id(places),
            self.patience.ready,
            self.patience.answer,
            self.progress.note,
        )
        self._tell_the_restore(bool(moved))
        kept = ", ".join(place.rolled_back for place in moved)
        text = (
            f"the databases are back that restore {self.restored.identifier} had replaced; what it restored: {kept}"
            if moved
            else f"restore {self.restored.identifier} had replaced nothing yet; what it had loaded is removed"
        )
        return self.progress.complete(text, details=found)

    def _tell_the_restore(self, moved: bool) -> None:
        now = self.surroundings.now()
        changes: dict[str, object] = {"details": {**self.restored.details, ROLLED_BACK: now.isoformat()}}
        if not moved or self.restored.status is not RecordStatus.COMPLETED:
            changes |= {"status": RecordStatus.FAILED, "finished": self.restored.finished or now}
            changes |= {"message": "undone by a rollback"}
        self.surroundings.records.save(self.restored.model_copy(update=changes))


def _participant_id(places: Sequence[_Place]) -> str | None:
    """Participant of the database that is in place now."""
    (place,) = [place for place in places if place.role is DatabaseRole.PARTICIPANT]
    if not place.is_there(place.database.name):
        return None
    with place.server.connect(place.database.name) as connection:
        return canton_database.participant_id(connection, place.database.schema_name)


def _restores(spec: ValidatorSpec, surroundings: Surroundings) -> str:
    known = surroundings.records.list(spec.name, RecordKind.RESTORE)
    return ", ".join(record.identifier for record in known) or "none"
