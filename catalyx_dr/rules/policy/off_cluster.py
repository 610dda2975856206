"""Copies outside the cluster: there, encrypted, locked (vendor guide, Storage Recommendations, 9)."""

import re
from collections.abc import Iterator
from datetime import timedelta

from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.environment_spec import Environment
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule
from catalyx_dr.rules.sizing import kept_sets

_IN_CLUSTER = re.compile(r"https?://(?:[^/:]+\.svc(?:\.[^/:]+)?|[^/:.]+)(?::[0-9]+)?", re.IGNORECASE)


@rule(
    "DR030",
    "A copy leaves the cluster",
    severity="error in production and critical, warning in staging",
    why="Volumes and Secrets die with their cluster. Identity dumps are exported to the backup bucket, so without a "
    "bucket both halves are lost together.",
    source="vendor guide, Storage Recommendations",
)
def copy_off_cluster(stack: Stack) -> Iterator[Found]:
    """Report a validator without a bucket, and one whose sets are snapshots, which never leave the cluster."""
    if stack.environment is Environment.DEVELOPMENT:
        return
    for path, validator in stack.validators():
        if validator.backup is not None and validator.backup.method == "snapshot":
            yield Found(
                stack.severity(),
                f"{path}.backup.method",
                validator.name,
                "snapshots of volumes stay with the storage of this cluster",
                "use method dump with a bucket; or waive this, naming what copies the snapshots elsewhere",
            )
        if _bucket(validator) is None and (validator.backup or validator.identity_dump):
            yield Found(
                stack.severity(),
                f"{path}.backup.bucket",
                validator.name,
                "backup sets and identity dumps exist in this cluster only",
                "add backup.bucket, in another account or region if possible",
            )


@rule(
    "DR031",
    "The bucket is not in the same cluster",
    severity="error in production and critical, warning in staging",
    why="A store that runs in the cluster it protects is lost with it.",
    source="vendor guide, Storage Recommendations",
)
def bucket_elsewhere(stack: Stack) -> Iterator[Found]:
    """Report an endpoint that is a Service of the cluster."""
    if stack.environment is Environment.DEVELOPMENT:
        return
    for path, validator, bucket in stack.buckets():
        if bucket.endpoint is not None and _IN_CLUSTER.fullmatch(bucket.endpoint):
            yield Found(
                stack.severity(),
                f"{path}.endpoint",
                validator.name,
                f"{bucket.endpoint} is a Service of this cluster",
                "use a store outside the cluster",
            )


@rule(
    "DR032",
    "What holds private keys leaves the cluster encrypted",
    severity="error",
    why="Identity dumps hold the participant's private keys. So does its database, unless an external KMS holds them; "
    "the vendor's table says otherwise and is wrong there. Who reads such an object can act as the validator's party.",
    source="Splice documentation, Validator Disaster Recovery (keys in the database)",
)
def encrypted_off_cluster(stack: Stack) -> Iterator[Found]:
    """Report a bucket without age recipients."""
    for path, validator, _ in stack.buckets():
        if validator.encryption is None:
            what = (
                "backup sets and identity dumps (key references of the KMS)"
                if validator.external_kms
                else "the participant's private keys (identity dumps and its database)"
            )
            yield Found(
                Severity.WARNING if validator.external_kms else Severity.ERROR,
                path.removesuffix(".backup.bucket") + ".encryption",
                validator.name,
                f"{what} would lie in the bucket in clear",
                "add encryption.recipients with age public keys",
            )


@rule(
    "DR033",
    "What holds private keys lies encrypted on the volume",
    severity="warning",
    why="Sets on the volume are not encrypted by this project, so that a restore needs no key. The database of a "
    "participant without external KMS holds its private keys.",
    source="Splice documentation, Validator Disaster Recovery (keys in the database)",
)
def encrypted_on_volume(stack: Stack) -> Iterator[Found]:
    """Report a volume whose storage class is not declared to encrypt."""
    for path, validator in stack.validators():
        volume = validator.backup.volume if validator.backup else None
        if volume is not None and not validator.external_kms and not volume.encrypted_at_rest:
            yield Found(
                Severity.WARNING,
                f"{path}.backup.volume.encryptedAtRest",
                validator.name,
                "the participant's private keys lie on the volume; nothing says that its disks are encrypted",
                f"use a storage class that encrypts, and write encryptedAtRest: true (class {volume.storage_class})",
            )


@rule(
    "DR034",
    "More than one key can open the copies",
    severity="warning",
    why="With a single recipient, one lost private key makes every copy outside the cluster unreadable. A second key, "
    "kept apart, breaks the glass.",
    source="design of this project: break-glass recipients",
)
def second_recipient(stack: Stack) -> Iterator[Found]:
    """Report a single recipient in production."""
    for path, validator in stack.validators():
        if stack.strict and validator.encryption and len(set(validator.encryption.recipients)) < 2:
            yield Found(
                Severity.WARNING,
                f"{path}.encryption.recipients",
                validator.name,
                "only one key can open the copies in the bucket",
                "add a second recipient whose private key is kept elsewhere",
            )


@rule(
    "DR035",
    "The store is reached over TLS",
    severity="error in production and critical, warning in staging",
    why="Over plain http, access keys and sets can be read and changed on the way.",
    source="practice of S3 stores",
)
def store_over_tls(stack: Stack) -> Iterator[Found]:
    """Report an endpoint over plain http."""
    if stack.environment is Environment.DEVELOPMENT:
        return
    for path, validator, bucket in stack.buckets():
        if bucket.endpoint is not None and bucket.endpoint.startswith("http://"):
            yield Found(
                stack.severity(),
                f"{path}.endpoint",
                validator.name,
                f"{bucket.endpoint} is not encrypted",
                "write the https:// endpoint",
            )


@rule(
    "DR036",
    "Copies are locked against deletion",
    severity="error in production and critical",
    why="Who gets hold of the backup's own credentials can delete every copy. Object lock makes the store refuse.",
    source="practice of the field: immutability; vendor guide, Storage Recommendations",
)
def object_lock(stack: Stack) -> Iterator[Found]:
    """Report a production bucket without object lock."""
    for path, validator, bucket in stack.buckets():
        if stack.strict and bucket.object_lock is None:
            yield Found(
                Severity.ERROR,
                f"{path}.objectLock",
                validator.name,
                f"anybody with write access can delete every copy in {bucket.name}",
                "add objectLock: {retention: 7d}",
            )


@rule(
    "DR037",
    "A lock ends when retention would let go",
    severity="warning",
    why="What is locked is kept and paid for, whatever the retention says.",
    source="practice of the field: object lock breaks the tool",
)
def lock_fits_retention(stack: Stack) -> Iterator[Found]:
    """Report a lock that outlasts the kept sets."""
    for path, validator, bucket in stack.buckets():
        backup = validator.backup
        if backup is None or bucket.object_lock is None or not backup.schedule.fires:
            continue
        gap = backup.schedule.smallest_gap(stack.now)
        kept, locked = kept_sets(bucket.retention, backup), bucket.object_lock.retention
        if locked > kept * gap:
            yield Found(
                Severity.WARNING,
                f"{path}.objectLock.retention",
                validator.name,
                f"sets are locked for {format_duration(locked)}, retention lets them go after "
                f"{format_duration(kept * gap)}: the bucket will hold {-(-locked // gap)} sets instead of {kept}",
                "shorten the lock, or keep as many sets as it holds anyway",
            )


@rule(
    "DR038",
    "Critical copies cannot be unlocked",
    severity="warning in critical",
    why="A governance lock can be lifted by whoever has that permission; a compliance lock by nobody.",
    source="S3 Object Lock modes",
)
def compliance_lock(stack: Stack) -> Iterator[Found]:
    """Report a governance lock in a critical stack."""
    for path, validator, bucket in stack.buckets():
        lock = bucket.object_lock
        if stack.environment is Environment.CRITICAL and lock is not None and lock.mode == "governance":
            yield Found(
                Severity.WARNING,
                f"{path}.objectLock.mode",
                validator.name,
                "a governance lock can be lifted with a permission",
                "write mode: compliance",
            )


@rule(
    "DR039",
    "A lock protects until damage is noticed",
    severity="warning in production and critical",
    why="A lock of less than a day can be waited out before anybody notices that captures stopped.",
    source="practice of the field: immutability",
)
def lock_is_long_enough(stack: Stack) -> Iterator[Found]:
    """Report a lock below a day."""
    for path, validator, bucket in stack.buckets():
        lock = bucket.object_lock
        if stack.strict and lock is not None and lock.retention < timedelta(days=1):
            yield Found(
                Severity.WARNING,
                f"{path}.objectLock.retention",
                validator.name,
                f"copies are locked for {format_duration(lock.retention)} only",
                "write a day or more, for example retention: 7d",
            )


def _bucket(validator: ValidatorSpec) -> BackupBucket | None:
    return validator.backup.bucket if validator.backup else None


RULES = (
    copy_off_cluster,
    bucket_elsewhere,
    encrypted_off_cluster,
    encrypted_on_volume,
    second_recipient,
    store_over_tls,
    object_lock,
    lock_fits_retention,
    compliance_lock,
    lock_is_long_enough,
)
