"""The bucket that backups go to: declared at AWS, or made at any S3-compatible store."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pulumi

from catalyx_dr.adapters import mounted_secrets
from catalyx_dr.adapters.agent_pod import AgentPod
from catalyx_dr.model.bucket import BackupBucket as BackupBucketSpec
from catalyx_dr.model.environment_spec import AgentImage
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.buckets import DECLARATION
from dynamic_providers.ensured_bucket import EnsuredBucket, EnsuredBucketArgs

_DEADLINE = timedelta(minutes=10)


@dataclass(frozen=True)
class BackupBucketArgs:
    """`validator`, `agent` and `requires`: who makes the bucket of an S3-compatible store, and what its Job needs."""

    bucket: BackupBucketSpec
    protect: bool
    validator: ValidatorSpec
    agent: AgentImage
    requires: list[pulumi.Resource] = field(default_factory=list)


class BackupBucket(pulumi.ComponentResource):
    """One bucket; each validator that uses it has a prefix of its own."""

    def __init__(self, name: str, args: BackupBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("catalyx-dr:backup:BackupBucket", name, None, opts)
        if args.bucket.provider == "aws":
            # Only here, since it takes a tenth of a second that other stacks need not wait for.
            from components.aws_bucket import AwsBucket, AwsBucketArgs

            AwsBucket(name, AwsBucketArgs(args.bucket, args.protect), pulumi.ResourceOptions(parent=self))
        elif args.bucket.provider == "s3-compatible":
            self._ensure(name, args)
        self.register_outputs({"bucket": args.bucket.name, "provider": args.bucket.provider})

    def _ensure(self, name: str, args: BackupBucketArgs) -> None:
        names = ObjectNames.of(args.validator)
        declaration = _declaration(args.bucket)
        pod = AgentPod(
            spec=args.validator,
            agent=args.agent,
            arguments=("ensure-bucket",),
            service_account=names.backup,
            secrets=mounted_secrets.for_bucket(args.validator),
        )
        request = hashlib.sha256(declaration.encode()).hexdigest()[:8]
        lock = args.bucket.object_lock
        EnsuredBucket(
            name,
            EnsuredBucketArgs(
                validator=args.validator.name,
                namespace=args.validator.namespace,
                request_id=request,
                bucket=args.bucket.name,
                endpoint=args.bucket.endpoint or "",
                object_lock=str(lock or "none"),
                job=pod.job_manifest(names.job("ensure-bucket", request), _DEADLINE),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=args.requires),
        )


def aws_buckets(validators: Iterable[ValidatorSpec]) -> Iterator[tuple[ValidatorSpec, BackupBucketSpec]]:
    """Buckets to be declared at AWS, each once, with the first validator that names it."""
    seen: set[str] = set()
    for validator in validators:
        bucket = validator.backup.bucket if validator.backup else None
        if bucket is not None and bucket.provider == "aws" and bucket.name not in seen:
            seen.add(bucket.name)
            yield validator, bucket


def _declaration(bucket: BackupBucketSpec) -> str:
    return bucket.model_dump_json(include={"name", *DECLARATION})
