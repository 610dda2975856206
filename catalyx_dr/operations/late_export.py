"""Sends sets to the bucket that are on the volume alone: the next run goes on with an export that was cut off."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.records import legible_one
from catalyx_dr.adapters.volume_store import VolumeStore
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.damage import Damage
from catalyx_dr.model.errors import CatalyxDrError, UnprovenError, UnreachableError
from catalyx_dr.model.flaw import Flaw, Grade
from catalyx_dr.model.record import RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.backup_pruning import IN_BUCKET, ON_VOLUME
from catalyx_dr.operations.damage_marks import Judge
from catalyx_dr.operations.export import export
from catalyx_dr.operations.progress import Progress
from catalyx_dr.operations.rebuilt_history import record_of_set
from catalyx_dr.operations.restore_source import check_set
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.retention import report

# The new set is what the run is for: no late one is begun, nor gone on with, when this part of its time is over.
_SHARE_OF_TIME = 4


def missing_sets(
    backup: DatabaseBackup, surroundings: Surroundings, volume: VolumeStore, bucket: BucketSets
) -> list[Manifest]:
    """Sets on the volume that the bucket lacks and its retention would keep, newest first."""
    there = bucket.set_ids()
    alone = [manifest for manifest in volume.published() if manifest.set_id not in there]
    if not alone or backup.bucket is None:
        return []
    captures = [*bucket.captures(), *(Capture.named(manifest.set_id) for manifest in alone)]
    judged = report(captures, backup.bucket.retention, surroundings.now())
    kept = {verdict.capture.identifier for verdict in judged if verdict.keep}
    return [manifest for manifest in alone if manifest.set_id in kept]


def send_missing(
    spec: ValidatorSpec,
    backup: DatabaseBackup,
    surroundings: Surroundings,
    volume: VolumeStore,
    bucket: BucketSets,
    progress: Progress,
    missing: Sequence[Manifest],
) -> list[str]:
    """Send these sets in their order; only to be called under the lock.

    Returns what could not be sent, in words: the new set is taken all the same.
    """
    return _Sending(spec, backup, surroundings, volume, bucket, progress).go(missing)


@dataclass(frozen=True)
class _Sending:
    spec: ValidatorSpec
    backup: DatabaseBackup
    surroundings: Surroundings
    volume: VolumeStore
    bucket: BucketSets
    progress: Progress

    def go(self, missing: Sequence[Manifest]) -> list[str]:
        """Send one after the other; a store that is away ends it, since the next set would meet the same."""
        faults = []
        until = self.surroundings.now() + self.backup.deadline / _SHARE_OF_TIME
        waiting = list(missing)

        def is_over() -> bool:
            return self.surroundings.now() > until

        while waiting:
            if is_over():
                self.progress.note(f"{len(waiting)} more sets are on the volume alone; the next run goes on with them")
                break
            manifest = waiting.pop(0)
            try:
                self._send(manifest, is_over)
            except (CatalyxDrError, OSError) as error:
                faults.append(f"set {manifest.set_id} is still on the volume alone: {error}")
                if isinstance(error, UnreachableError):
                    break
        return faults

    def _send(self, manifest: Manifest, is_over: Callable[[], bool]) -> None:
        self.progress.phase(f"send set {manifest.set_id} to the bucket, which has it not yet", 3)
        folder = self.volume.folder(manifest.set_id)
        with self._judged(manifest):
            check_set(manifest, folder, self.backup.parallel_jobs)
        export(manifest, folder, self.bucket, self.spec.recipients, self.backup.limits.upload_rate, is_over)
        if self.bucket.is_damaged(manifest.set_id):
            # A mark of what was there before; the export has looked at every object.
            self.bucket.acquit(Damage(capture_id=manifest.set_id, found=self.surroundings.now()))
        self._record(manifest)
        self.progress.note(f"set {manifest.set_id} is in the bucket too")

    @contextmanager
    def _judged(self, manifest: Manifest) -> Iterator[None]:
        """A set that is not what its manifest says is marked, and is no set any more."""
        try:
            yield
        except UnprovenError as error:
            records, now = self.surroundings.records, self.surroundings.now()
            flaw = Flaw(Grade.DAMAGED, ON_VOLUME, manifest.set_id, str(error))
            judge = Judge(RecordKind.BACKUP_SET, self.spec.name, records, now, self.progress.note)
            judge.judge(ON_VOLUME, self.volume, (), [flaw])
            raise

    def _record(self, manifest: Manifest) -> None:
        """Its own run may have been recorded as failed, because of the bucket alone; now it is what it was to be."""
        found = legible_one(self.surroundings.records, RecordKind.BACKUP_SET, self.spec.name, manifest.set_id)
        places = (ON_VOLUME, IN_BUCKET)
        if found is None:
            made = record_of_set(manifest, places, "its own record was lost", rebuilt=True)
        elif found.status is not RecordStatus.COMPLETED:
            made = record_of_set(manifest, places, f"sent to the bucket by a later run; its own: {found.message}")
        else:
            made = found.without(IN_BUCKET)
            made = made.model_copy(update={"locations": (*made.locations, IN_BUCKET)})
        self.surroundings.records.save(made)
