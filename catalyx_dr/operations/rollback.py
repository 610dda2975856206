"""Takes a restore back: the databases that it set aside return to their place; one that is half done is undone.

Nothing is dropped, so that the rollback itself can be undone: then what the restore had put in place returns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from catalyx_dr.adapters import canton_database, postgres, workloads
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.adapters.run_lease import Held
from catalyx_dr.model.databases import Database, DatabaseRole
from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.model.record import READ_SET, Record, RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.database_swap import Exchange, exchange
from catalyx_dr.operations.loading import drop_loaded
from catalyx_dr.operations.one_run import one_run
from catalyx_dr.operations.patience import PATIENT, Patience, undone_on_failure
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.restore_proof import prove_restored
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.database_names import (
    AsideMark,
    loading_name,
    owner_of,
    replaced_name,
    restored_mark,
    returned_mark,
    rolled_back_name,
    suffix_of,
)

ROLLED_BACK = "rolledBack"
_UNDOES = "undoes"


def roll_back(
    spec: ValidatorSpec,
    request_id: str,
    surroundings: Surroundings,
    cluster: Cluster,
    patience: Patience = PATIENT,
    *,
    undo: bool = False,
) -> Record:
    """Put the databases back that restore `request_id` replaced, and prove the validator; the restored ones are kept.

    `undo`: take that back again. A run that was completed is returned as it was; one that was cut off goes on where it
    was, in either direction. Raises RefusedError before anything is touched when there is nothing to go back to.
    """
    done = surroundings.records.find(RecordKind.ROLLBACK, spec.name, request_id)
    if done is not None and done.status is RecordStatus.COMPLETED and bool(done.details.get(_UNDOES)) is undo:
        return done
    restored = surroundings.records.find(RecordKind.RESTORE, spec.name, request_id)
    if restored is None:
        raise RefusedError(
            f"validator {spec.name!r} has no restore {request_id!r}; there are: {_restores(spec, surroundings)}"
        )
    if undo and done is None:
        raise RefusedError(f"nothing was touched: restore {request_id!r} was never rolled back")
    with one_run(spec, surroundings) as held:
        plan = (_Undoing if undo else _Rollback).of(spec, restored, surroundings)
        with reporting(RecordKind.ROLLBACK, request_id, spec.name, surroundings.records, surroundings.now) as progress:
            progress.remember(**{_UNDOES: undo})
            return _Run(plan, surroundings, cluster, patience, progress, held).go()


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
class _Plan:
    """`left`: what is still to be exchanged; `moved`: what is exchanged when all is done."""

    spec: ValidatorSpec
    restored: Record
    places: tuple[_Place, ...]
    left: tuple[_Place, ...]
    moved: tuple[_Place, ...]

    def aside(self, place: _Place, by: RecordKind, surroundings: Surroundings) -> str:
        """Mark of what goes out of its place."""
        request = self.restored.identifier
        return str(AsideMark(place.database.name, owner_of(self.spec), surroundings.now(), by, request))


class _Rollback(_Plan):
    """What was replaced comes back, what was restored goes aside."""

    phase = "swap the databases back"

    @classmethod
    def of(cls, spec: ValidatorSpec, restored: Record, surroundings: Surroundings) -> "_Rollback":
        """Look at the databases; raises RefusedError when there is nothing to go back to."""
        places, mark = _places(spec, restored, surroundings), _restored_mark(spec, restored)
        returned = returned_mark(spec, restored.identifier)
        left = tuple(place for place in places if not place.is_there(place.rolled_back) and place.mark() == mark)
        lost = [place for place in left if not place.is_there(place.replaced)]
        if lost:
            raise RefusedError(
                f"nothing was touched: what restore {restored.identifier} replaced is not there any more "
                f"({', '.join(place.role for place in lost)}): there was none, it was dropped when its time "
                f"({spec.replaced_databases_keep}) was over, or the restore was in place; restore an older set"
            )
        moved = tuple(place for place in places if place in left or place.mark() == returned)
        if not moved and restored.status is RecordStatus.COMPLETED:
            raise RefusedError(
                f"nothing was touched: what restore {restored.identifier} put in place is not there any more; a "
                "later recovery took its place: roll that one back, or restore a set"
            )
        return cls(spec, restored, places, left, moved)

    def exchange(self, place: _Place, surroundings: Surroundings) -> Exchange:
        """One exchange."""
        aside = self.aside(place, RecordKind.ROLLBACK, surroundings)
        comes = returned_mark(self.spec, self.restored.identifier)
        return Exchange(place.server, place.database.name, place.replaced, place.rolled_back, aside, comes)

    def clear(self) -> None:
        """Drop what a half-done restore loaded."""
        for place in self.places:
            drop_loaded(place.server, place.loading)

    def told(self) -> str:
        """What was done, for the record."""
        request, kept = self.restored.identifier, ", ".join(place.rolled_back for place in self.moved)
        if not self.moved:
            return f"restore {request} had replaced nothing yet; what it had loaded is removed"
        return f"the databases are back that restore {request} had replaced; what it restored: {kept}"

    def record(self, surroundings: Surroundings) -> Record:
        """What the restore's own record tells from now on."""
        now = surroundings.now()
        changes: dict[str, object] = {"details": {**self.restored.details, ROLLED_BACK: now.isoformat()}}
        if not self.moved or self.restored.status is not RecordStatus.COMPLETED:
            changes |= {"status": RecordStatus.FAILED, "finished": self.restored.finished or now}
            changes |= {"message": "undone by a rollback"}
        return self.restored.model_copy(update=changes)


class _Undoing(_Plan):
    """What was restored comes back, what a rollback had put in its place goes aside again."""

    phase = "swap the databases again"

    @classmethod
    def of(cls, spec: ValidatorSpec, restored: Record, surroundings: Surroundings) -> "_Undoing":
        """Look at the databases; raises RefusedError when the rollback cannot be undone."""
        places, mark = _places(spec, restored, surroundings), _restored_mark(spec, restored)
        returned = returned_mark(spec, restored.identifier)
        left = tuple(place for place in places if place.mark() == returned and place.is_there(place.rolled_back))
        lost = [place for place in places if place not in left and place.mark() != mark]
        if lost:
            raise RefusedError(
                f"nothing was touched: what restore {restored.identifier} restored cannot take its place again "
                f"({', '.join(place.role for place in lost)}): it was dropped when its time "
                f"({spec.replaced_databases_keep}) was over, or a later recovery took its place; restore set "
                f"{restored.details.get(READ_SET)} under a new request"
            )
        return cls(spec, restored, places, left, places)

    def exchange(self, place: _Place, surroundings: Surroundings) -> Exchange:
        """One exchange; afterwards everything is called as right after the restore."""
        aside = self.aside(place, RecordKind.RESTORE, surroundings)
        comes = _restored_mark(self.spec, self.restored)
        return Exchange(place.server, place.database.name, place.rolled_back, place.replaced, aside, comes)

    def clear(self) -> None:
        """Nothing is in the way."""

    def told(self) -> str:
        """What was done, for the record."""
        kept = ", ".join(place.replaced for place in self.moved)
        return f"what restore {self.restored.identifier} restored is in place again; set aside: {kept}"

    def record(self, surroundings: Surroundings) -> Record:
        """What the restore's own record tells from now on; one that was never proven runs once more, to be so."""
        details = {key: value for key, value in self.restored.details.items() if key != ROLLED_BACK}
        return self.restored.model_copy(update={"details": details})


@dataclass(frozen=True)
class _Run:
    plan: _Rollback | _Undoing
    surroundings: Surroundings
    cluster: Cluster
    patience: Patience
    progress: Progress
    held: Held

    def go(self) -> Record:
        """Go through all phases, or those that are left."""
        with undone_on_failure(self._undo, self.patience.answer, self.progress.note, "command"):
            self._stop(bool(self.plan.moved))
            self.progress.phase(self.plan.phase, 40)
            self.held.check()
            exchange([self.plan.exchange(place, self.surroundings) for place in self.plan.left], self.patience.unused)
            self.plan.clear()
        self._start()
        return self._verify()

    def _undo(self) -> None:
        """Start again what ran on proven databases; in any other case, only the next run can tell what is whole."""
        plan = self.plan
        if plan.restored.status is not RecordStatus.COMPLETED or len(plan.left) < len(plan.places):
            raise UnprovenError(f"restore {plan.restored.identifier} or a rollback of it was cut off before")
        if type(plan).of(plan.spec, plan.restored, self.surroundings).left not in (plan.left, ()):
            raise UnprovenError("not all databases are exchanged")
        for workload in plan.spec.workloads:
            workloads.start(self.cluster, workload)

    def _stop(self, needed: bool) -> None:
        if not needed:
            return
        self.progress.phase("stop the workloads", 15)
        for workload in self.plan.spec.workloads:
            workloads.stop(self.cluster, workload)
        for workload in self.plan.spec.workloads:
            workloads.wait_until_gone(self.cluster, workload, self.patience.stopped)

    def _start(self) -> None:
        self.progress.phase("start the workloads", 60)
        for workload in self.plan.spec.workloads:
            workloads.start(self.cluster, workload)
        workloads.wait_until_ready(self.cluster, self.plan.spec.workloads, self.patience.ready)

    def _verify(self) -> Record:
        self.progress.phase("verify the validator", 80)
        found = prove_restored(
            self.plan.spec,
            self.surroundings.secrets,
            _participant_id(self.plan.places),
            self.patience.ready,
            self.patience.answer,
            self.progress.note,
        )
        self.surroundings.records.save(self.plan.record(self.surroundings))
        return self.progress.complete(self.plan.told(), details=found)


def _places(spec: ValidatorSpec, restored: Record, surroundings: Surroundings) -> tuple[_Place, ...]:
    suffix = suffix_of(spec, restored.identifier)
    return tuple(
        _Place(
            role=role,
            database=spec.databases.of(role),
            server=PostgresServer.reach(spec.databases.server_of(role), surroundings.secrets),
            loading=loading_name(role, suffix),
            replaced=replaced_name(role, suffix),
            rolled_back=rolled_back_name(role, suffix),
        )
        for role in DatabaseRole
    )


def _restored_mark(spec: ValidatorSpec, restored: Record) -> str:
    return restored_mark(spec, restored.identifier, str(restored.details.get(READ_SET)))


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
