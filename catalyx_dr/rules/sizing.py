"""How large the backup volume is: the vendor's formula to the byte, headroom declared apart, growth only.

Vendor guide, Storage Recommendations: backup volume size = number of backups x database storage size, and headroom
beyond it. Rotation comes after the new set is proven, so that one more set than the kept ones lies on the volume at
the worst moment; headroom must cover it, and `BackupVolumeSize.covers_set_in_flight` tells whether it does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.databases import Databases
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.run_schedule import CaptureSchedule
from catalyx_dr.rules.retention import most_kept


def volume_size(backups: int, database_storage: Quantity) -> Quantity:
    """The vendor's formula: `backups` (Max Backup Number) times the storage of the databases, both together."""
    if backups < 1:
        raise ValueError(f"the number of backups must be 1 or more, found {backups}")
    return database_storage * backups


@dataclass(frozen=True)
class BackupVolumeSize:
    """A volume's size and how it comes about."""

    backups: int
    database_storage: Quantity
    headroom_percent: int
    limit: Quantity | None

    @property
    def formula(self) -> Quantity:
        """What the vendor's formula gives."""
        return volume_size(self.backups, self.database_storage)

    @property
    def headroom(self) -> Quantity:
        """Declared headroom on top, rounded up to a whole byte."""
        return Quantity(-(-self.formula.bytes * self.headroom_percent // 100))

    @property
    def wanted(self) -> Quantity:
        """Formula and headroom, whatever the limit says."""
        return self.formula + self.headroom

    @property
    def size(self) -> Quantity:
        """What is asked for: never beyond the limit."""
        return self.wanted if self.limit is None else min(self.wanted, self.limit)

    @property
    def capped(self) -> bool:
        """Tell whether the limit cuts it."""
        return self.size < self.wanted

    @property
    def covers_set_in_flight(self) -> bool:
        """Tell whether one more set of full size fits beside the kept ones."""
        return self.size >= self.formula + self.database_storage

    @property
    def headroom_for_set_in_flight(self) -> int:
        """Smallest percentage of headroom that covers the set in flight."""
        return -(-100 // self.backups)

    def __str__(self) -> str:
        text = f"{self.backups} x {self.database_storage} = {self.formula}, {self.headroom_percent} % headroom"
        return f"{text}, limited to {self.limit}" if self.capped else f"{text}: {self.size}"


def backup_volume_size(backup: DatabaseBackup, databases: Databases) -> BackupVolumeSize:
    """Size of a validator's backup volume; raises ValueError when the backup has no volume."""
    if backup.volume is None:
        raise ValueError("the backup has no volume")
    return BackupVolumeSize(
        backups=kept_sets(backup.volume.retention, backup),
        database_storage=databases.storage,
        headroom_percent=backup.volume.headroom_percent,
        limit=backup.volume.limit,
    )


def kept_sets(retention: Retention, schedule: CaptureSchedule) -> int:
    """Number of captures that a destination holds at the most; the vendor's number when no further rule is set."""
    return most_kept(retention, _runs_within(retention.within, schedule))


def _runs_within(length: timedelta | None, schedule: CaptureSchedule) -> int:
    if length is None:
        return 0
    try:
        gap = schedule.schedule.smallest_gap(datetime.now(UTC))
    except ValueError:  # never runs: the policy reports it
        return 0
    return ceil(length / gap) + 1


@dataclass(frozen=True)
class Growth:
    """What becomes of a volume: `size` is what it is then."""

    current: Quantity
    wanted: Quantity

    @property
    def size(self) -> Quantity:
        """Never below what it is."""
        return max(self.current, self.wanted)

    @property
    def grows(self) -> bool:
        """Tell whether it becomes larger."""
        return self.wanted > self.current

    def __str__(self) -> str:
        if self.grows:
            return f"{self.current.words} -> {self.wanted.words}"
        if self.wanted == self.current:
            return f"stays {self.current.words}"
        return f"stays {self.current.words} ({self.wanted.words} would be enough, but a volume never shrinks)"


def grown(current: Quantity, wanted: Quantity) -> Growth:
    """Grow only: Kubernetes cannot shrink a volume, so that a smaller wish leaves it as it is (vendor guide)."""
    return Growth(current, wanted)
