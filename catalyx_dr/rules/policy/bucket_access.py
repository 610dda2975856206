"""The jobs reach the bucket that is meant, and may."""

import re
from collections.abc import Iterator

from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule

_AWS = re.compile(r"https?://([^/:]+\.)?amazonaws\.com(\.cn)?(:[0-9]+)?", re.IGNORECASE)


@rule(
    "DR055",
    "The region of a bucket at AWS is named",
    severity="warning in production and critical",
    why="Without a region us-east-1 is taken: copies of another law's data may come to lie there, and a bucket that "
    "exists elsewhere is not found.",
    source="practice of S3 stores",
)
def region_named(stack: Stack) -> Iterator[Found]:
    """Report a bucket at AWS whose region is only the default."""
    for path, validator, bucket in stack.buckets():
        if stack.strict and bucket.endpoint is None and "region" not in bucket.model_fields_set:
            yield Found(
                Severity.WARNING,
                f"{path}.region",
                validator.name,
                f"no region is named, so that {bucket.region} is taken",
                "add backup.bucket.region; aws:region is not asked",
            )


@rule(
    "DR056",
    "The jobs have access to the store",
    severity="error",
    why="A store other than AWS does not know the service accounts of the cluster. Without an access key every run "
    "fails at the bucket.",
    source="practice of S3 stores",
)
def access_declared(stack: Stack) -> Iterator[Found]:
    """Report a store outside AWS without access key, and without a service account that is bound to one there."""
    for path, validator, bucket in stack.buckets():
        is_aws = bucket.endpoint is None or _AWS.fullmatch(bucket.endpoint)
        if not is_aws and bucket.credentials is None and not validator.service_account_annotations:
            yield Found(
                Severity.ERROR,
                f"{path}.credentials",
                validator.name,
                f"nothing opens {bucket.endpoint} to the jobs",
                "add backup.bucket.credentials.secret, the Secret with the store's access key",
            )


RULES = (region_named, access_declared)
