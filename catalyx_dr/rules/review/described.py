"""Blocks of a validator in one line each: volume, bucket, schedules, keys."""

from collections.abc import Iterator

from pydantic import BaseModel

from catalyx_dr.model.backup import BackupVolume, DatabaseBackup, VolumeSnapshots
from catalyx_dr.model.bucket import BackupBucket, ObjectLock
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.run_schedule import CaptureSchedule, RunSchedule
from catalyx_dr.model.validator_spec import Encryption, IdentityDumps, ValidatorSpec
from catalyx_dr.rules.review.words import code, length

_RUNS = {"backup": "database backup", "identity_dump": "identity dump"}
_PERIODS = (("daily", "day"), ("weekly", "week"), ("monthly", "month"), ("yearly", "year"))


def described(block: BaseModel) -> str:
    """What a block declares, for somebody who has not got the file open."""
    match block:
        case DatabaseBackup():
            places = [part for part in (block.snapshot, block.volume, block.bucket) if part is not None]
            return f"{schedule(block)}, to {' and to '.join(map(described, places))}"
        case IdentityDumps():
            return f"{schedule(block)}, {described(block.retention)}"
        case BackupVolume():
            return f"a volume of class {code(block.storage_class)} ({described(block.retention)})"
        case VolumeSnapshots():
            return f"snapshots of class {code(block.volume_snapshot_class)} ({described(block.retention)})"
        case BackupBucket():
            lock = described(block.object_lock) if block.object_lock else "no object lock"
            return f"the bucket {code(f's3://{block.name}/{block.prefix}')} ({described(block.retention)}, {lock})"
        case ObjectLock():
            return f"{block.mode} lock of {length(block.retention)}"
        case Retention():
            return kept(block)
        case RunSchedule():
            return schedule(block)
        case Encryption():
            return f"{len(block.recipients)} keys: {', '.join(map(recipient, block.recipients))}"
        case _:
            return "declared"


def schedules(validator: ValidatorSpec) -> Iterator[tuple[str, RunSchedule]]:
    """Everything of a validator that runs by a clock, with its name."""
    for name, field in type(validator).model_fields.items():
        block = getattr(validator, name)
        if isinstance(block, RunSchedule):
            yield _RUNS.get(name, field.alias or name), block


def recovery_point(block: RunSchedule | None) -> str:
    """Recovery point of a schedule of captures; a proof has none to keep."""
    if block is not None and not isinstance(block, CaptureSchedule):
        return "-"
    return length(block.recovery_point) if block and block.recovery_point else "none"


def schedule(block: RunSchedule) -> str:
    """Expression, zone and recovery point."""
    zone = "" if block.time_zone in ("Etc/UTC", "UTC") else f" {block.time_zone}"
    point = f", recovery point {recovery_point(block)}" if isinstance(block, CaptureSchedule) else ""
    return f"{code(block.cron + zone)}{point}{', SUSPENDED' if block.suspend else ''}"


def kept(retention: Retention) -> str:
    """What a retention keeps."""
    parts = [f"the newest {retention.keep} kept"]
    parts += [f"one of each of {count} {unit}s" for name, unit in _PERIODS if (count := getattr(retention, name))]
    parts += [f"all of {length(retention.within)}"] if retention.within else []
    return ", ".join(parts)


def recipient(key: str) -> str:
    """A public key, short enough to compare."""
    return code(f"{key[:9]}...{key[-6:]}")


def protection(validator: ValidatorSpec) -> list[str]:
    """Both halves of a validator and who can open its copies."""
    lines = [f"{name}: {described(block)}" for name, block in schedules(validator)]
    keys = described(validator.encryption) if validator.encryption else "everybody: they are not encrypted"
    return [*lines, f"copies in the bucket can be opened by {keys}"]
