"""Restores a backup set: load beside the present databases, prove, swap by renaming, start, verify, record."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from catalyx_dr.adapters import workloads
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.adapters.run_lease import Held
from catalyx_dr.adapters.volume_store import VolumeStore, disk_explained
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.environment_spec import VerdictOverride
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnprovenError
from catalyx_dr.model.record import READ_SET, Record, RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.database_swap import replaced_names, swap_in
from catalyx_dr.operations.kept_databases import drop_leftovers
from catalyx_dr.operations.loading import LoadTarget, load_all, prove_order, targets_of, try_schemas
from catalyx_dr.operations.one_run import one_run
from catalyx_dr.operations.patience import PATIENT, Patience, undone_on_failure
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.rebuilt_history import rebuild_sets
from catalyx_dr.operations.restore_preflight import choose_set, look
from catalyx_dr.operations.restore_proof import prove_restored
from catalyx_dr.operations.restore_source import BucketSource, RestoreSource, VolumeSource, check_set
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.restore_preflight import RESTORE_CHECKS, SetFacts, restore_verdicts
from catalyx_dr.rules.verdict import Verdict, overridden, require


@dataclass(frozen=True)
class RestoreOrder:
    """What is to be restored. `set_id`: an id, `latest` or `latest before <moment>`.

    The same `request_id` never runs twice; `in_place`: the present databases are dropped, where there is no room.
    """

    set_id: str
    request_id: str
    source: str = "volume"
    age_identity_file: Path | None = None
    overrides: tuple[VerdictOverride, ...] = ()
    in_place: bool = False


def restore(
    spec: ValidatorSpec,
    order: RestoreOrder,
    surroundings: Surroundings,
    cluster: Cluster,
    patience: Patience = PATIENT,
) -> Record:
    """Restore both databases of a set.

    A completed request is returned as it was, and nothing is done. A request that was cut off goes on where it was.
    Raises RefusedError before anything is touched; any other error before the swap leaves the validator as it was
    and running; after the swap the record names the databases that were set aside.
    """
    earlier = surroundings.records.find(RecordKind.RESTORE, spec.name, order.request_id)
    if earlier is not None and earlier.status is RecordStatus.COMPLETED:
        return earlier
    with one_run(spec, surroundings) as held:
        source = _source(spec, order, surroundings)
        begun = begun_with(earlier)
        with (
            reporting(
                RecordKind.RESTORE, order.request_id, spec.name, surroundings.records, surroundings.now, **begun
            ) as progress,
            disk_explained(surroundings.scratch),
        ):
            return _Run(spec, order, source, surroundings, cluster, patience, progress, held).go(
                str(begun.get(READ_SET, order.set_id))
            )


def begun_with(earlier: Record | None) -> dict[str, JsonValue]:
    """The set that a request reads from its first run on, however many are cut off, and wherever."""
    return {READ_SET: earlier.details[READ_SET]} if earlier and READ_SET in earlier.details else {}


def preflight(
    spec: ValidatorSpec, order: RestoreOrder, surroundings: Surroundings, cluster: Cluster
) -> tuple[Verdict, ...]:
    """Every verdict on the restore, overrides applied; touches nothing. Raises RefusedError for a wrong order."""
    source = _source(spec, order, surroundings)
    return _verdicts(spec, order, choose_set(source, order.set_id, order.source), surroundings, cluster)


def _verdicts(
    spec: ValidatorSpec, order: RestoreOrder, chosen: SetFacts, surroundings: Surroundings, cluster: Cluster
) -> tuple[Verdict, ...]:
    facts = look(spec, chosen, order.in_place, surroundings, cluster)
    return overridden(restore_verdicts(facts), order.overrides, RESTORE_CHECKS)


def _source(spec: ValidatorSpec, order: RestoreOrder, surroundings: Surroundings) -> RestoreSource:
    if order.source == "volume":
        return VolumeSource(VolumeStore(surroundings.volume, spec))
    if order.source != "bucket":
        raise RefusedError(f"source is {order.source!r}; allowed: volume, bucket")
    if spec.backup is None or spec.backup.bucket is None:
        raise RefusedError(f"validator {spec.name!r} declares no backup.bucket to restore from; use source volume")
    if order.age_identity_file is None:
        raise RefusedError("a set in the bucket is encrypted; give the private age identity (--age-identity-file)")
    sets = BucketSets(BucketStore.reach(spec.backup.bucket, surroundings.secrets), spec)
    return BucketSource(sets, AgeIdentities.read(order.age_identity_file), surroundings.scratch)


@dataclass(frozen=True)
class _Run:
    spec: ValidatorSpec
    order: RestoreOrder
    source: RestoreSource
    surroundings: Surroundings
    cluster: Cluster
    patience: Patience
    progress: Progress
    held: Held

    def go(self, selector: str) -> Record:
        """Go through all phases, or those that are left."""
        self.progress.phase("preflight", 2)
        chosen = choose_set(self.source, selector, self.order.source)
        manifest = chosen.manifest
        if manifest is None:
            self._preflight(chosen)
            raise UnprovenError(chosen.fault)
        self.progress.remember(**{READ_SET: manifest.set_id})
        targets = self._targets(chosen, manifest)
        left = tuple(target for target in targets if not target.is_swapped())
        if left:
            self._preflight(chosen)
            keep = frozenset(target.loading for target in targets)
            rebuild_sets(self.source, self.order.source, self.spec.name, self.surroundings.records, self.progress.note)
            drop_leftovers(self.spec, keep, self.surroundings, self.progress.note)
            with undone_on_failure(partial(self._undo, left), self.patience.answer, self.progress.note, "request"):
                self._load(manifest, left)
                self.progress.phase("prove the loaded databases", 62)
                prove_order(targets, lambda target: target.loading if target in left else target.database.name)
                self._stop()
                self.progress.phase("swap the databases", 74)
                self.held.check()
                swap_in(left, self.patience.unused, self.surroundings.now())
        self._start()
        return self._verify(manifest, targets)

    def _targets(self, chosen: SetFacts, manifest: Manifest) -> tuple[LoadTarget, ...]:
        try:
            return targets_of(self.spec, manifest, self.order.request_id, self.surroundings)
        except CatalyxDrError:
            # A server that cannot be used is one verdict among others; people want to see all at once.
            self._preflight(chosen)
            raise

    def _preflight(self, chosen: SetFacts) -> None:
        verdicts = _verdicts(self.spec, self.order, chosen, self.surroundings, self.cluster)
        self.progress.judge(verdicts, self.order.overrides)
        require(verdicts)

    def _undo(self, left: tuple[LoadTarget, ...]) -> None:
        """Leave the validator as it was: running, with its own databases and no half-loaded ones beside them."""
        swapped = [target for target in left if target.is_swapped()]
        if swapped and swapped != list(left):
            roles = ", ".join(target.role for target in swapped)
            raise UnprovenError(f"only {roles} is swapped, so the validator must not run")
        if not swapped and self.order.in_place:
            dropped = [target.role for target in left if not target.is_present()]
            if dropped:
                raise UnprovenError(f"{', '.join(dropped)} is dropped already, so the validator must not run")
        if not swapped:
            for target in left:
                target.discard()
        for workload in self.spec.workloads:
            workloads.start(self.cluster, workload)

    def _load(self, manifest: Manifest, left: tuple[LoadTarget, ...]) -> None:
        jobs = self.spec.backup.parallel_jobs if self.spec.backup else 1
        to_load = [target for target in left if not target.is_loaded()]
        if not to_load:
            self.progress.note("both databases were loaded and proven by this request before")
            return
        self.progress.phase("fetch the set", 5)
        try:
            folder = self.source.fetch(manifest)
            self.progress.phase("check the set", 15)
            check_set(manifest, folder, jobs)
            self.progress.phase("try the schemas", 22)
            try_schemas(to_load, folder)
            if self.order.in_place:
                self._stop()
            self.progress.phase(f"load into {' and '.join(target.loading for target in to_load)}", 25)
            expected = sum(manifest.capture(target.role).database_bytes for target in to_load)
            with self.progress.measuring(lambda: sum(one.loaded_bytes() for one in to_load), expected, until=60):
                load_all(to_load, manifest, folder, jobs, self.progress.attend, in_place=self.order.in_place)
        finally:
            self.source.release(manifest)

    def _stop(self) -> None:
        self.progress.phase("stop the workloads", 66)
        for workload in self.spec.workloads:
            workloads.stop(self.cluster, workload)
        for workload in self.spec.workloads:
            workloads.wait_until_gone(self.cluster, workload, self.patience.stopped)

    def _start(self) -> None:
        self.progress.phase("start the workloads", 78)
        for workload in self.spec.workloads:
            workloads.start(self.cluster, workload)
        workloads.wait_until_ready(self.cluster, self.spec.workloads, self.patience.ready)

    def _verify(self, manifest: Manifest, targets: tuple[LoadTarget, ...]) -> Record:
        replaced = replaced_names(targets)
        lost = self.progress.record.started - manifest.started
        details: dict[str, JsonValue] = {
            "recoveryPoint": manifest.started.isoformat(),
            "lostSeconds": max(0, int(lost.total_seconds())),
            "replaced": dict(replaced),
        }
        self.progress.remember(**details)
        self.progress.phase("verify the validator", 90)
        found = prove_restored(
            self.spec,
            self.surroundings.secrets,
            manifest.participant_id,
            self.patience.ready,
            self.patience.answer,
            self.progress.note,
        )
        seconds = int((self.surroundings.now() - self.progress.record.started).total_seconds())
        kept = ", ".join(replaced.values()) or "none: there were none"
        return self.progress.complete(
            f"set {manifest.set_id} restored in {seconds} s and verified; databases set aside: {kept}",
            size=manifest.bytes,
            details={**found, "recoverySeconds": seconds},
        )
