"""Restores a backup set: load beside the present databases, prove, swap by renaming, start, verify, record."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import JsonValue

from catalyx_dr.adapters import postgres, workloads
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.adapters.volume_store import VolumeStore, disk_explained, only_run
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnprovenError
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.database_swap import replaced_names, swap_in
from catalyx_dr.operations.loading import LoadTarget, load, prove_order, targets_of
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.restore_proof import prove_restored
from catalyx_dr.operations.restore_source import BucketSource, RestoreSource, VolumeSource, check_set
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.recovery import choose
from catalyx_dr.rules.restore_preflight import DatabaseFacts, RestoreFacts, restore_verdicts
from catalyx_dr.rules.verdict import Outcome, require

_SET = "set"


@dataclass(frozen=True)
class RestoreOrder:
    """What is to be restored. `set_id`: an id or `latest`; the same `request_id` never runs twice."""

    set_id: str
    request_id: str
    source: str = "volume"
    age_identity_file: Path | None = None


@dataclass(frozen=True)
class Patience:
    """How long a restore waits for what it does not do itself."""

    stopped: timedelta = timedelta(minutes=5)
    unused: timedelta = timedelta(minutes=2)
    ready: timedelta = timedelta(minutes=15)
    answer: timedelta = timedelta(minutes=2)


def restore(
    spec: ValidatorSpec,
    order: RestoreOrder,
    surroundings: Surroundings,
    cluster: Cluster,
    patience: Patience = Patience(),
) -> Record:
    """Restore both databases of a set.

    A completed request is returned as it was, and nothing is done. A request that was cut off goes on where it was.
    Raises RefusedError before anything is touched; any other error before the swap leaves the validator as it was
    and running; after the swap the record names the databases that were set aside.
    """
    earlier = surroundings.records.find(RecordKind.RESTORE, spec.name, order.request_id)
    if earlier is not None and earlier.status is RecordStatus.COMPLETED:
        return earlier
    on_volume = spec.backup is not None and spec.backup.volume is not None and surroundings.volume.is_dir()
    with only_run(surroundings.volume if on_volume else surroundings.scratch):
        source = _source(spec, order, surroundings)
        selector = str(earlier.details.get(_SET, order.set_id)) if earlier else order.set_id
        with (
            reporting(
                RecordKind.RESTORE, order.request_id, spec.name, surroundings.records, surroundings.now
            ) as progress,
            disk_explained(surroundings.scratch),
        ):
            return _Run(spec, order.request_id, source, surroundings, cluster, patience, progress).go(selector)


def _source(spec: ValidatorSpec, order: RestoreOrder, surroundings: Surroundings) -> RestoreSource:
    if order.source == "volume":
        return VolumeSource(VolumeStore(surroundings.volume))
    if order.source != "bucket":
        raise RefusedError(f"source is {order.source!r}; allowed: volume, bucket")
    if spec.backup is None or spec.backup.bucket is None:
        raise RefusedError(f"validator {spec.name!r} declares no backup.bucket to restore from; use source volume")
    if order.age_identity_file is None:
        raise RefusedError("a set in the bucket is encrypted; give the private age identity (--age-identity-file)")
    sets = BucketSets(BucketStore.reach(spec.backup.bucket, surroundings.secrets), spec.object_prefix)
    return BucketSource(sets, AgeIdentities.read(order.age_identity_file), surroundings.scratch)


@dataclass(frozen=True)
class _Run:
    spec: ValidatorSpec
    request_id: str
    source: RestoreSource
    surroundings: Surroundings
    cluster: Cluster
    patience: Patience
    progress: Progress

    def go(self, selector: str) -> Record:
        """Go through all phases, or those that are left."""
        self.progress.phase("preflight", 2)
        manifest = self.source.manifest(choose(self.source.captures(), selector).identifier)
        self.progress.remember(**{_SET: manifest.set_id})
        targets = targets_of(self.spec, manifest, self.request_id, self.surroundings)
        left = tuple(target for target in targets if not target.is_swapped())
        if left:
            self._preflight(manifest, targets)
            with self._undone_on_failure(left):
                self._load(manifest, left)
                self.progress.phase("prove the loaded databases", 62)
                prove_order(targets, lambda target: target.loading if target in left else target.database.name)
                self._stop()
                self.progress.phase("swap the databases", 74)
                swap_in(left, self.patience.unused)
        self._start()
        return self._verify(manifest, targets)

    def _preflight(self, manifest: Manifest, targets: tuple[LoadTarget, ...]) -> None:
        facts = RestoreFacts(
            spec=self.spec,
            manifest=manifest,
            now=self.surroundings.now(),
            databases=tuple(_facts(target) for target in targets),
            missing_workloads=tuple(
                str(workload) for workload in self.spec.workloads if not workloads.exists(self.cluster, workload)
            ),
        )
        verdicts = restore_verdicts(facts)
        for verdict in verdicts:
            if verdict.outcome is Outcome.WARNING:
                self.progress.note(str(verdict))
        require(verdicts)
        self.source.check_opens(manifest)

    @contextmanager
    def _undone_on_failure(self, left: tuple[LoadTarget, ...]) -> Iterator[None]:
        """Leave the validator as it was: running, with its own databases and no half-loaded ones beside them."""
        try:
            yield
        except BaseException:
            try:
                self._undo(left)
            except CatalyxDrError as error:
                self.progress.note(f"attention: the workloads may be stopped; run the same request again: {error}")
            raise

    def _undo(self, left: tuple[LoadTarget, ...]) -> None:
        swapped = [target for target in left if target.is_swapped()]
        if swapped and swapped != list(left):
            roles = ", ".join(target.role for target in swapped)
            raise UnprovenError(f"only {roles} is swapped, so the validator must not run")
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
            check_set(manifest, folder, to_load[0].client, jobs)
            for target, percent in zip(to_load, (25, 35), strict=False):
                self.progress.phase(f"load {target.role} into {target.loading}", percent)
                load(target, manifest, folder, jobs, self.progress.note)
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
        for workload in self.spec.workloads:
            workloads.wait_until_ready(self.cluster, workload, self.patience.ready)

    def _verify(self, manifest: Manifest, targets: tuple[LoadTarget, ...]) -> Record:
        replaced = replaced_names(targets)
        details: dict[str, JsonValue] = {
            "recoveryPoint": manifest.started.isoformat(),
            "replaced": dict(replaced),
        }
        self.progress.remember(**details)
        self.progress.phase("verify the validator", 90)
        found = prove_restored(
            self.spec,
            self.surroundings.secrets,
            manifest,
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


def _facts(target: LoadTarget) -> DatabaseFacts:
    with target.server.maintenance() as connection:
        return DatabaseFacts(
            role=target.role,
            server=str(target.server),
            major=postgres.ServerVersion(connection.info.server_version).major,
            user=target.server.at.user,
            may_create=postgres.may_create(connection),
            present=postgres.exists(connection, target.database.name),
            may_rename=postgres.may_rename(connection, target.database.name),
        )
