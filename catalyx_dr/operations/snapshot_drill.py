"""Rehearses a restore from snapshots: the newest proven set into claims and servers that are thrown away again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.restored_claims import wait_until_gone
from catalyx_dr.adapters.volume_snapshots import IN_SNAPSHOTS, SnapshotStore
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnprovenError
from catalyx_dr.model.flaw import Flaw, Grade
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import READ_SET, Record, RecordKind, RecordStatus
from catalyx_dr.model.selector import LATEST
from catalyx_dr.model.snapshot_set import SnapshotManifest
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.damage_marks import Judge
from catalyx_dr.operations.progress import Progress
from catalyx_dr.operations.record_keeping import looking
from catalyx_dr.operations.set_details import set_details
from catalyx_dr.operations.snapshot_check import NOT_RESTORED
from catalyx_dr.operations.snapshot_preflight import choose_snapshots
from catalyx_dr.operations.snapshot_trial import PATIENCE, SnapshotTrial
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.snapshot_order import snapshot_steps


def drill_snapshots(
    spec: ValidatorSpec,
    surroundings: Surroundings,
    cluster: Cluster,
    store: SnapshotStore,
    patience: timedelta = PATIENCE,
) -> Record:
    """Restore the newest proven set into claims of its own and prove it on throw-away servers.

    Proves order, identity and that every row can be read, and records how long it takes. A set that cannot be restored
    is marked as damaged in its record. Nothing stays; what a killed drill left is removed by the next, which begins at
    the earliest when the killed one's lease has run out. Raises RefusedError, UnreachableError, UnprovenError.
    """
    if spec.drill is None:
        raise RefusedError(f"validator {spec.name!r} declares no drill; write drill: {{}} for the defaults")
    with (
        surroundings.leases.only_run(spec.name, "drill"),
        looking(RecordKind.DRILL, spec.name, surroundings, spec.drill.deadline) as progress,
    ):
        trial = SnapshotTrial(spec, ObjectNames.of(spec).drilled, surroundings, cluster, patience, progress)
        return _Run(spec, surroundings, cluster, store, progress, trial).go()


@dataclass(frozen=True)
class _Run:
    spec: ValidatorSpec
    surroundings: Surroundings
    cluster: Cluster
    store: SnapshotStore
    progress: Progress
    trial: SnapshotTrial

    def go(self) -> Record:
        """Go through all phases."""
        self.progress.phase("remove what a killed drill left", 2)
        self._throw_away()
        self._close_killed()
        self.progress.phase("choose the set", 5)
        manifest = choose_snapshots(self.spec, LATEST, self.surroundings, self.store)
        self.progress.remember(**{READ_SET: manifest.set_id}, source=IN_SNAPSHOTS)
        begun = self.surroundings.now()
        with self._thrown_away(), self._judged(manifest):
            rows = self.trial.prove(manifest)
            seconds = int((self.surroundings.now() - begun).total_seconds())
        return self._complete(manifest, rows, seconds)

    @property
    def _parts(self) -> tuple[str, ...]:
        return tuple(step.part for step in snapshot_steps(self.spec.databases))

    def _throw_away(self) -> None:
        for fault in self.trial.remove(self._parts):
            raise fault
        for part in self._parts:
            wait_until_gone(self.cluster, self.trial.name(part), self.trial.patience)

    def _close_killed(self) -> None:
        """Only this drill has the lease, so that every other one has ended."""
        records = self.surroundings.records
        for record in records.legible(self.spec.name, RecordKind.DRILL).records:
            if record.status is RecordStatus.RUNNING and record.identifier != self.progress.record.identifier:
                records.save(record.killed(self.surroundings.now(), "the next drill"))

    @contextmanager
    def _thrown_away(self) -> Iterator[None]:
        """Remove servers and claims, however it ends; an error of the drill itself is the one that counts."""
        try:
            yield
        except BaseException:
            for fault in self.trial.remove(self._parts):
                self.progress.note(f"attention: {fault}")
            raise
        self._throw_away()

    @contextmanager
    def _judged(self, manifest: SnapshotManifest) -> Iterator[None]:
        """Note a set that does not hold what it promises, unless retention took it away meanwhile."""
        try:
            yield
        except UnprovenError as error:
            if not any(one.set_id == manifest.set_id for one in self.store.found()):
                raise CatalyxDrError(
                    f"retention removed set {manifest.set_id} during the drill; keep more sets, or choose another hour"
                ) from None
            flaw = Flaw(Grade.DAMAGED, IN_SNAPSHOTS, manifest.set_id, f"{NOT_RESTORED}: {error}")
            judge = Judge(
                RecordKind.BACKUP_SET,
                self.spec.name,
                self.surroundings.records,
                self.surroundings.now(),
                self.progress.note,
            )
            judge.judge(IN_SNAPSHOTS, None, (), [flaw])
            raise

    def _complete(self, manifest: SnapshotManifest, rows: int, seconds: int) -> Record:
        details: dict[str, JsonValue] = {**set_details(manifest), "recoverySeconds": seconds, "rows": rows}
        return self.progress.complete(
            f"set {manifest.set_id} from its snapshots restored and proven in {seconds} s, and thrown away: order, "
            f"identity {manifest.participant_id} and {rows} rows",
            size=manifest.bytes,
            details=details,
        )
