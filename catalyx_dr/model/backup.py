"""How both databases are captured, and where the sets are kept."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from catalyx_dr.model.amounts import Room
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.duration import PositiveDuration
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.run_limits import RunLimits
from catalyx_dr.model.run_schedule import CaptureSchedule
from catalyx_dr.model.spec import Flag, ObjectName, Spec, WholeNumber


class BackupVolume(Spec):
    """The PersistentVolumeClaim that holds backup sets; sized by the vendor's formula, only ever grows."""

    storage_class: ObjectName
    retention: Retention
    headroom_percent: WholeNumber = Field(default=20, ge=0, le=1000)
    limit: Quantity | None = Field(default=None, description="The volume never grows beyond this")
    encrypted_at_rest: Flag = Field(
        default=False, description="The storage class encrypts its disks; sets on the volume hold private keys in clear"
    )


class VolumeSnapshots(Spec):
    """CSI snapshots of the servers' own volumes, for databases too large to be dumped (domain 4)."""

    volume_snapshot_class: ObjectName
    retention: Retention
    ready_within: PositiveDuration = Field(
        default=timedelta(minutes=25), description="A snapshot that takes longer fails the run"
    )


class DatabaseBackup(CaptureSchedule):
    """Scheduled backup sets: dumps to the volume, the bucket, or both; or snapshots, which stay in the cluster."""

    method: Literal["dump", "snapshot"] = "dump"
    snapshot: VolumeSnapshots | None = Field(default=None, description="How snapshots are taken and kept")
    volume: BackupVolume | None = None
    bucket: BackupBucket | None = None
    parallel_jobs: WholeNumber = Field(
        default=2, ge=1, le=64, description="Parallel dump and restore jobs per database"
    )
    compression_level: WholeNumber = Field(default=1, ge=1, le=19, description="zstd level")
    scratch: Room | None = Field(
        default=None, description="Limit of the working space, which a restore from the bucket needs for the set"
    )
    limits: RunLimits = RunLimits()

    @model_validator(mode="after")
    def _has_destination(self) -> "DatabaseBackup":
        if self.method == "snapshot":
            if self.snapshot is None or self.volume is not None:
                raise ValueError(
                    "method snapshot needs the block snapshot (volumeSnapshotClass) and no volume; a bucket is for "
                    "identity dumps alone"
                )
            return self
        if self.snapshot is not None:
            raise ValueError("the block snapshot is not allowed with method dump; write method: snapshot, or remove it")
        if self.volume is None and self.bucket is None:
            raise ValueError("a backup needs a destination; give volume, bucket or both")
        return self

    @property
    def retentions(self) -> dict[str, Retention]:
        """Where sets are kept (`volume`, `bucket`, `snapshot`), and how long at each place."""
        if self.snapshot is not None:
            return {"snapshot": self.snapshot.retention}
        places = {"volume": self.volume, "bucket": self.bucket}
        return {name: place.retention for name, place in places.items() if place is not None}
