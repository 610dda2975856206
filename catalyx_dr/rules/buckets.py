"""What a bucket is, apart from what each of its users does with it; and how long it holds what was deleted."""

import math
from datetime import timedelta

from catalyx_dr.model.bucket import BackupBucket

# Two validators that name one bucket must agree on these.
DECLARATION = ("provider", "endpoint", "region", "object_lock", "kms_key")
# How long a version that retention deleted can be brought back.
_DELETED_KEPT = timedelta(days=7)


def deleted_kept_days(bucket: BackupBucket) -> int:
    """Days that a deleted version stays in a bucket declared at AWS: a week, or as long as its lock holds."""
    lock = bucket.object_lock.retention if bucket.object_lock else timedelta()
    return whole_days(max(lock, _DELETED_KEPT))


def whole_days(length: timedelta) -> int:
    """Days that cover `length`; S3 counts in whole days."""
    return math.ceil(length / timedelta(days=1))
