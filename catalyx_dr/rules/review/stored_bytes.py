"""What a validator's backups cost in bytes: its volume, and what its bucket is expected to hold."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.buckets import deleted_kept_days
from catalyx_dr.rules.set_size import expected_set_bytes
from catalyx_dr.rules.sizing import BackupVolumeSize, backup_volume_size, kept_sets


@dataclass(frozen=True)
class BucketBytes:
    """`sets`: most that the bucket holds at once; `deleted`: those of them that retention let go, and the store keeps.

    `per_set` is what a set of full databases is expected to take, compressed.
    """

    sets: int
    deleted: int
    per_set: Quantity

    @property
    def total(self) -> Quantity:
        """All sets together."""
        return self.per_set * (self.sets + self.deleted)


def volume_bytes(validator: ValidatorSpec) -> BackupVolumeSize | None:
    """Size of the volume, if the validator has one."""
    backup = validator.backup
    return backup_volume_size(backup, validator.databases) if backup and backup.volume else None


def sizing(volume: BackupVolumeSize) -> str:
    """How the size comes about, in words."""
    limited = f", limited to {volume.limit.words}" if volume.limit and volume.capped else ""
    return f"{volume.backups} x {volume.database_storage.words}, {volume.headroom_percent} % headroom{limited}"


def bucket_bytes(validator: ValidatorSpec, now: datetime) -> BucketBytes | None:
    """What the bucket is expected to hold at the most, if the validator has one and its schedule ever runs."""
    backup = validator.backup
    if backup is None or backup.bucket is None or backup.method != "dump" or not backup.schedule.fires:
        return None
    per_set = Quantity(expected_set_bytes(validator.databases.storage.bytes, None))
    kept = kept_sets(backup.bucket.retention, backup)
    gap = backup.schedule.smallest_gap(now)
    locked = _runs_in(backup.bucket.object_lock.retention, gap) if backup.bucket.object_lock else 0
    return BucketBytes(max(kept, locked), _deleted(backup.bucket, gap), per_set)


def _deleted(bucket: BackupBucket, gap: timedelta) -> int:
    """Versions that a bucket of ours at AWS still holds; how other buckets keep versions is not known."""
    return _runs_in(timedelta(days=deleted_kept_days(bucket)), gap) if bucket.provider == "aws" else 0


def _runs_in(time: timedelta, gap: timedelta) -> int:
    return -(-time // gap)
