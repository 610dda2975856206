"""Blocks of a validator in one line each: volume, bucket, schedules, keys."""

from pydantic import BaseModel

from catalyx_dr.model.validator_spec import (
    BackupBucket,
    BackupVolume,
    CaptureSchedule,
    DatabaseBackup,
    Encryption,
    IdentityDumps,
    ObjectLock,
    Retention,
    ValidatorSpec,
)
from catalyx_dr.rules.review.words import code, length

_PERIODS = (("daily", "day"), ("weekly", "week"), ("monthly", "month"), ("yearly", "year"))


def described(block: BaseModel) -> str:
    """What a block declares, for somebody who has not got the file open."""
    match block:
        case DatabaseBackup():
            places = [part for part in (block.volume, block.bucket) if part is not None]
            return f"{schedule(block)}, to {' and to '.join(described(place) for place in places)}"
        case IdentityDumps():
            return f"{schedule(block)}, {described(block.retention)}"
        case BackupVolume():
            return f"a volume of class {code(block.storage_class)} ({described(block.retention)})"
        case BackupBucket():
            lock = described(block.object_lock) if block.object_lock else "no object lock"
            return f"the bucket {code(f's3://{block.name}/{block.prefix}')} ({described(block.retention)}, {lock})"
        case ObjectLock():
            return f"{block.mode} lock of {length(block.retention)}"
        case Retention():
            return kept(block)
        case Encryption():
            return f"{len(block.recipients)} keys: {', '.join(map(recipient, block.recipients))}"
        case _:
            return "declared"


def schedule(block: CaptureSchedule) -> str:
    """Expression, zone and recovery point."""
    zone = "" if block.time_zone in ("Etc/UTC", "UTC") else f" {block.time_zone}"
    point = f", recovery point {length(block.recovery_point)}" if block.recovery_point else ""
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
    halves = (("database backups", validator.backup), ("identity dumps", validator.identity_dump))
    lines = [f"{name}: {described(half) if half else 'NONE'}" for name, half in halves]
    keys = described(validator.encryption) if validator.encryption else "everybody: they are not encrypted"
    return [*lines, f"copies in the bucket can be opened by {keys}"]
