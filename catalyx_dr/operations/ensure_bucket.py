"""Makes the bucket of an S3-compatible store as declared; run again, it changes nothing that is right."""

from catalyx_dr.adapters import bucket_setup
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.surroundings import Surroundings


def ensure_bucket(spec: ValidatorSpec, surroundings: Surroundings) -> None:
    """Create the bucket, versioning, object lock and what else protects it; an `existing` one is only looked at.

    Raises RefusedError for a bucket that cannot be as declared, UnreachableError when the store does not answer.
    """
    bucket = _declared(spec)
    store = BucketStore.reach(bucket, surroundings.secrets)
    if bucket.provider == "existing":
        store.check()
        _say(store, "is there" + ("" if bucket_setup.has_lock(store) else ", without object lock"))
        return
    if bucket.object_lock is not None:
        bucket_setup.lock_days(bucket.object_lock)
    created = bucket_setup.make(store)
    bucket_setup.set_versioning(store)
    if bucket.object_lock is not None:
        bucket_setup.set_lock(store, bucket.object_lock)
    closed = bucket_setup.close_to_public(store)
    _say(store, "created" if created else "is as declared")
    if not closed:
        _say(store, "has no switch that blocks public access; nothing that is written to it is public")


def _declared(spec: ValidatorSpec) -> BackupBucket:
    bucket = spec.backup.bucket if spec.backup else None
    if bucket is None:
        raise RefusedError(f"validator {spec.name} declares no backup.bucket; there is nothing to make")
    if bucket.provider == "aws":
        raise RefusedError(f"bucket {bucket.name!r} has provider aws, which Pulumi makes itself; no Job is needed")
    return bucket


def _say(store: BucketStore, text: str) -> None:
    print(f"{store} {text}", flush=True)  # noqa: T201 - the job's log is its voice
