import json
from copy import deepcopy
from datetime import timedelta

import pytest

from catalyx_dr.rules.buckets import whole_days
from components.aws_bucket import tls_only
from tests.components.rendering import one, rendered, rendered_stack
from tests.components.specs import VALIDATOR, stack_spec

pytestmark = pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning")
BUCKET = "acme-canton-prod-backups"


def test_two_validators_share_one_bucket_at_aws() -> None:
    buckets = [resource for resource in rendered_stack("prod") if resource.type == "aws:s3/bucket:Bucket"]
    assert [bucket.name for bucket in buckets] == [BUCKET]


def test_everything_that_protects_the_bucket_stays_with_it() -> None:
    aws = [resource for resource in rendered_stack("prod") if resource.type.startswith("aws:")]
    assert len(aws) == 7
    assert all(resource.options["retainOnDelete"] for resource in aws)


def test_bucket_refuses_requests_without_tls() -> None:
    statement = json.loads(tls_only("arn:aws:s3:::b"))["Statement"][0]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]


def test_deleted_versions_stay_as_long_as_their_lock() -> None:
    lifecycle = one(rendered_stack("prod"), "BucketLifecycleConfiguration", BUCKET)
    assert lifecycle.inputs["rules"][0]["noncurrentVersionExpiration"] == {"noncurrentDays": 14}


def test_store_inside_the_cluster_is_set_up_by_a_job() -> None:
    bucket = one(rendered(stack_spec()), ":EnsuredBucket", "acme-bucket")
    job = json.loads(bucket.inputs["validatorJob"])
    assert job["metadata"]["name"].startswith("acme-ensure-bucket-")
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["ensure-bucket"]
    assert bucket.inputs["objectLock"] == "none"


def test_another_declaration_is_another_request() -> None:
    locked = deepcopy(VALIDATOR)
    locked["backup"]["bucket"]["objectLock"] = {"mode": "governance", "retention": "1d"}
    kept = deepcopy(VALIDATOR)
    kept["backup"]["bucket"]["retention"] = {"keep": 9}
    requests = [
        one(rendered(stack_spec(validators=[validator])), ":EnsuredBucket", "acme-bucket").inputs["requestId"]
        for validator in (VALIDATOR, locked, kept)
    ]
    assert requests[0] == requests[2] != requests[1]


def test_existing_bucket_is_only_named() -> None:
    validator = deepcopy(VALIDATOR)
    validator["backup"]["bucket"] |= {"provider": "existing"}
    resources = rendered(stack_spec(validators=[validator]))
    assert not [resource for resource in resources if resource.type.endswith((":EnsuredBucket", ":Bucket"))]


def test_locks_count_in_whole_days() -> None:
    assert whole_days(timedelta(days=7)) == 7
    assert whole_days(timedelta(hours=25)) == 2
