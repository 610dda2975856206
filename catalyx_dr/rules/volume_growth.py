"""What a backup asks of its volume before it dumps: by what is declared, or by what was measured when that is more.

Vendor guide, Storage Recommendations: the volume is resized with the next run when the database storage has grown.
"""

from dataclasses import dataclass

from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.databases import Databases
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.rules.sizing import BackupVolumeSize, Growth, backup_volume_size, grown

_GIBIBYTE, _MEBIBYTE = 1024**3, 1024**2


@dataclass(frozen=True)
class Measured:
    """Bytes of both databases on their servers, free on the volume, and expected for the set to be taken."""

    databases: int
    free: int
    expected_set: int

    @property
    def missing(self) -> int:
        """Bytes that this set lacks on the volume as it is."""
        return max(self.expected_set - self.free, 0)


@dataclass(frozen=True)
class VolumeDemand:
    """What a volume of size `current` should become, and why."""

    sizing: BackupVolumeSize
    needed_now: Quantity
    current: Quantity

    @property
    def wanted(self) -> Quantity:
        """The formula with its headroom, or what this set needs beside the others when that is more."""
        return max(self.sizing.wanted, self.needed_now)

    @property
    def growth(self) -> Growth:
        """What it becomes: never beyond the limit, never smaller."""
        limit = self.sizing.limit
        return grown(self.current, self.wanted if limit is None else min(self.wanted, limit))

    @property
    def limit_reached(self) -> Quantity | None:
        """The declared limit, when it keeps the volume from what it should be."""
        limit = self.sizing.limit
        return limit if limit is not None and self.wanted > max(limit, self.current) else None

    @property
    def explanation(self) -> str:
        """Where the wanted size comes from."""
        if self.needed_now > self.sizing.wanted:
            return f"the sets on it and the next one need {self.needed_now.words}"
        sizing = self.sizing
        return f"{sizing.backups} x {sizing.database_storage.words} and {sizing.headroom_percent} % headroom"


def volume_demand(
    backup: DatabaseBackup, databases: Databases, current: Quantity, capacity: Quantity, measured: Measured
) -> VolumeDemand:
    """Judge the volume of a backup; its claim asks for `current` and has `capacity`.

    Databases that outgrew the storage they were declared with count as measured, in whole GiB, so that a volume does
    not change with every run: some clouds allow a change only every six hours. Raises ValueError without a volume.
    """
    declared = backup_volume_size(backup, databases)
    sizing = BackupVolumeSize(
        backups=declared.backups,
        database_storage=max(declared.database_storage, rounded_up(measured.databases)),
        headroom_percent=declared.headroom_percent,
        limit=declared.limit,
    )
    needed = rounded_up(capacity.bytes + measured.missing) if measured.missing else Quantity(0)
    return VolumeDemand(sizing, needed, current)


def rounded_up(size: int) -> Quantity:
    """Whole GiB, below one GiB whole MiB."""
    unit = _GIBIBYTE if size > _GIBIBYTE else _MEBIBYTE
    return Quantity(-(-size // unit) * unit)
