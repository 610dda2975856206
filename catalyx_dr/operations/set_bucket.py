"""The bucket that a validator's sets go to, seen to be usable before anything is dumped."""

from collections.abc import Callable

from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.encryption import check_recipients
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.surroundings import Surroundings


def open_bucket(
    spec: ValidatorSpec, backup: DatabaseBackup, surroundings: Surroundings, say: Callable[[str], None]
) -> BucketSets | None:
    """The declared bucket, reached and checked; None without one. `say` hears of outages that an upload waits for.

    Raises RefusedError for a recipient that cannot be encrypted to, UnreachableError for a store that does not answer.
    """
    if backup.bucket is None:
        return None
    check_recipients(spec.recipients)
    store = BucketStore.reach(backup.bucket, surroundings.secrets, say=say)
    bucket = BucketSets(store, spec)
    bucket.store.check()
    return bucket
