"""Removes backup sets that retention lets go, at each destination by its own rule, and keeps their records true."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.records import legible_one
from catalyx_dr.adapters.volume_store import VolumeStore
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.errors import CatalyxDrError
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.progress import Progress
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.ownership import strangers
from catalyx_dr.rules.retention import READERS, read_now, removals, report

ON_VOLUME, IN_BUCKET = "volume", "bucket"
_FAILED_RECORDS_KEPT = 10


@dataclass(frozen=True)
class Destination:
    """A place where sets are kept; `remove` returns False when a lock holds the set."""

    name: str
    retention: Retention
    captures: Callable[[], list[Capture]]
    remove: Callable[[str], bool]


def prune(
    spec: ValidatorSpec,
    backup: DatabaseBackup,
    surroundings: Surroundings,
    volume: VolumeStore | None,
    bucket: BucketSets | None,
    progress: Progress,
    participant_id: str | None,
) -> list[str]:
    """Remove what retention lets go; returns what went wrong, in words, because the new set is proven all the same."""
    return prune_at(_destinations(backup, volume, bucket), spec, surroundings, progress, participant_id)


def prune_at(
    destinations: Iterable[Destination],
    spec: ValidatorSpec,
    surroundings: Surroundings,
    progress: Progress,
    participant_id: str | None,
) -> list[str]:
    """Remove what the retention of each destination lets go; returns what went wrong, in words.

    `participant_id`: of the set that was just taken; those of other keys are not replaced by it.
    """
    faults = []
    for destination in destinations:
        try:
            now = surroundings.now()
            readers = (surroundings.records.list(spec.name, kind) for kind in READERS)
            in_use = read_now(chain.from_iterable(readers), now)
            captures = destination.captures()
            others = strangers(captures, participant_id)
            faults += [
                f"{one} in the {destination.name} counts for nothing and is left there: {whose}; move it away"
                for one, whose in others.items()
            ]
            for capture in removals(report(captures, destination.retention, now, in_use, others)):
                faults += _let_go(capture.identifier, destination, spec, surroundings, progress)
        except (CatalyxDrError, OSError) as error:
            faults.append(f"sets on the {destination.name} were not pruned: {error}")
    return faults + _forget(spec, surroundings)


def _let_go(
    set_id: str, destination: Destination, spec: ValidatorSpec, surroundings: Surroundings, progress: Progress
) -> list[str]:
    """Remove one set; returns what went wrong, which must not keep the others.

    Its record is struck first: what a killed removal leaves is then a leftover, and no set that lost its manifest.
    """
    record = legible_one(surroundings.records, RecordKind.BACKUP_SET, spec.name, set_id)
    if record is not None:
        surroundings.records.save(record.without(destination.name))
    try:
        if not destination.remove(set_id):
            progress.note(f"{set_id} stays in the {destination.name}: the store's lock holds it")
            if record is not None:
                surroundings.records.save(record)
            return []
    except OSError as error:
        found = f"{error.filename}: {error.strerror}"
        return [f"{set_id} on the {destination.name} cannot be removed ({found}); remove it by hand"]
    progress.note(f"removed {set_id} from the {destination.name}: beyond the retention")
    return []


def close_unfinished(spec: ValidatorSpec, surroundings: Surroundings) -> None:
    """Record runs that ended without a word as failed; only to be called under the lock or lease."""
    for record in surroundings.records.legible(spec.name, RecordKind.BACKUP_SET).records:  # `_forget` tells the others
        if record.status is RecordStatus.RUNNING:
            surroundings.records.save(record.killed(surroundings.now(), "the next run"))


def _destinations(
    backup: DatabaseBackup, volume: VolumeStore | None, bucket: BucketSets | None
) -> Iterator[Destination]:
    if backup.volume is not None and volume is not None:
        yield Destination(ON_VOLUME, backup.volume.retention, volume.captures, volume.remove)
    if backup.bucket is not None and bucket is not None:

        def in_bucket() -> list[Capture]:
            return [replace(one, locked_until=bucket.locked_until(one.identifier)) for one in bucket.captures()]

        yield Destination(IN_BUCKET, backup.bucket.retention, in_bucket, bucket.remove)


def _forget(spec: ValidatorSpec, surroundings: Surroundings) -> list[str]:
    """Delete records of sets that are nowhere any more, and old failures but for the newest few.

    Returns what went wrong, in words.
    """
    found = surroundings.records.legible(spec.name, RecordKind.BACKUP_SET)
    records = found.records
    # A set that was lost is as much a failure as one that was never taken.
    failed = [record for record in records if record.status is RecordStatus.FAILED or _is_lost(record)]
    for record in (*failed[_FAILED_RECORDS_KEPT:], *filter(_is_gone, records)):
        surroundings.records.delete(record)
    return [*found.faults.values()]


def _is_gone(record: Record) -> bool:
    return record.status is RecordStatus.COMPLETED and not record.locations and not record.damaged


def _is_lost(record: Record) -> bool:
    return record.status is RecordStatus.COMPLETED and not record.locations and bool(record.damaged)
