"""EnsuredBucket: a bucket at an S3-compatible store, made by a Job, since such a store is often only reached there."""

import json
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from dynamic_providers.cluster_job import ClusterJobProvider, Properties
from dynamic_providers.progress_lines import progress_lines
from dynamic_providers.request_resource import outputs, progress_urn, quiet


class EnsuredBucketProvider(ClusterJobProvider):
    """Runs `catalyx-dr ensure-bucket` in the cluster; run again, it changes nothing that is right."""

    what = "bucket"

    def delete(self, _id: str, _props: Properties) -> None:
        """Leave the bucket: backups are deleted by people only."""
        say = progress_lines(_props.get("progressUrn"))
        say(f"bucket {_props['bucket']} at {_props['endpoint']} stays with all it holds; only people delete it")


@dataclass(frozen=True)
class EnsuredBucketArgs:
    """`request_id`: a hash of how the bucket is declared, so that another declaration is another request."""

    validator: str
    namespace: str
    request_id: str
    bucket: str
    endpoint: str
    object_lock: str
    job: dict[str, Any]


class EnsuredBucket(Resource, module="catalyx-dr", name="EnsuredBucket"):
    """A bucket that is as declared."""

    status: pulumi.Output[str]

    def __init__(self, name: str, args: EnsuredBucketArgs, opts: pulumi.ResourceOptions) -> None:
        inputs = {
            "validator": args.validator,
            "namespace": args.namespace,
            "requestId": args.request_id,
            "bucket": args.bucket,
            "endpoint": args.endpoint,
            "objectLock": args.object_lock,
            "validatorJob": json.dumps(args.job),
            "progressUrn": progress_urn(self, name, opts),
        }
        super().__init__(EnsuredBucketProvider(), name, {**inputs, **outputs()}, quiet(opts))
