"""Makes a bucket at an S3-compatible store: versioned, locked where asked, closed to the public where supported."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.model.bucket import ObjectLock
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import PublicAccessBlockConfigurationTypeDef

_DAY = timedelta(days=1)
_OURS_ALREADY = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
_REGION_WANTED = "IllegalLocationConstraintException"
_ABSENT = ("404", "NoSuchBucket")
_NO_LOCK = ("ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration")
# Stores that lack a protection answer with one of these; what is missing is reported, not hidden.
_UNSUPPORTED = ("NotImplemented", "InvalidArgument", "MalformedXML", "MethodNotAllowed")
_UNLOCKABLE = ("InvalidBucketState", "InvalidRequest", "NotImplemented", "OperationAborted")


def lock_days(lock: ObjectLock) -> int:
    """Retention of the lock in the whole days that stores know; raises RefusedError for another length."""
    if lock.retention < _DAY or lock.retention % _DAY:
        raise RefusedError(
            f"objectLock.retention is {format_duration(lock.retention)}; stores lock for whole days, for example 7d"
        )
    return lock.retention.days


def make(store: BucketStore) -> bool:
    """Create the bucket, with object lock when asked; False when it was there already."""
    try:
        with store.explained("look for the bucket", passing=_ABSENT):
            store.client.head_bucket(Bucket=store.at.name)
    except ClientError:
        return _create(store)
    return False


def set_versioning(store: BucketStore) -> None:
    """Keep old versions, so that an overwritten or deleted object can be had back."""
    with store.explained("switch versioning on"):
        store.client.put_bucket_versioning(Bucket=store.at.name, VersioningConfiguration={"Status": "Enabled"})


def set_lock(store: BucketStore, lock: ObjectLock) -> None:
    """Lock every new object for the declared time; RefusedError when the bucket cannot be given a lock any more."""
    days = lock_days(lock)
    mode: Literal["COMPLIANCE", "GOVERNANCE"] = "COMPLIANCE" if lock.mode == "compliance" else "GOVERNANCE"
    try:
        with store.explained("set the object lock", passing=_UNLOCKABLE):
            store.client.put_object_lock_configuration(
                Bucket=store.at.name,
                ObjectLockConfiguration={
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": mode, "Days": days}},
                },
            )
    except ClientError as error:
        raise RefusedError(
            f"{store} was made without object lock and cannot be given one ({error.response['Error']['Code']}); "
            "choose another bucket name, or leave objectLock out"
        ) from None


def has_lock(store: BucketStore) -> bool:
    """Tell whether the bucket has object lock."""
    try:
        with store.explained("read the object lock", passing=(*_NO_LOCK, *_UNSUPPORTED)):
            found = store.client.get_object_lock_configuration(Bucket=store.at.name)
    except ClientError:
        return False
    return found["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"


def close_to_public(store: BucketStore) -> bool:
    """Block public access; False when the store has no such switch.

    Public access lists are ignored, not refused: Ceph would then refuse every object (seen with 18.2).
    """
    everything: PublicAccessBlockConfigurationTypeDef = {
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": True,
    }
    try:
        with store.explained("block public access", passing=_UNSUPPORTED):
            store.client.put_public_access_block(Bucket=store.at.name, PublicAccessBlockConfiguration=everything)
    except ClientError:
        return False
    return True


def _create(store: BucketStore, **where: Any) -> bool:
    """Create it; where a store asks for its region it is named, since others know none of their own."""
    try:
        with store.explained("create the bucket", passing=(*_OURS_ALREADY, *(() if where else (_REGION_WANTED,)))):
            store.client.create_bucket(
                Bucket=store.at.name, ObjectLockEnabledForBucket=store.at.object_lock is not None, **where
            )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == _REGION_WANTED:
            return _create(store, CreateBucketConfiguration={"LocationConstraint": store.at.region})
        if code == "BucketAlreadyExists":
            raise RefusedError(f"{store} belongs to somebody else; choose another name") from None
        return False
    return True
