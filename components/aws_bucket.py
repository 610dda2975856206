"""A backup bucket at AWS: versioned, encrypted, private, locked, reached by TLS only, and never deleted."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import s3  # loaded when first used; its types are named in quotes, since it takes a second

from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.rules.buckets import deleted_kept_days, whole_days

_UPLOAD_ABANDONED_AFTER_DAYS = 7


@dataclass(frozen=True)
class AwsBucketArgs:
    """`bucket` as the stack file declares it."""

    bucket: BackupBucket
    protect: bool


class AwsBucket(pulumi.ComponentResource):
    """Bucket with its settings."""

    def __init__(self, name: str, args: AwsBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("catalyx-dr:backup:AwsBucket", name, None, opts)
        self._name, self._declared = name, args.bucket
        # The bucket stays when the stack goes, and so must what protects it.
        self._settings = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        self.bucket = s3.Bucket(
            name,
            bucket=args.bucket.name,
            region=args.bucket.region,
            object_lock_enabled=args.bucket.object_lock is not None,
            force_destroy=False,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=True),
        )
        versioning = self._keep_versions()
        self._encrypt()
        private = self._keep_private()
        self._require_tls(private)
        self._expire(versioning)
        self._lock(versioning)
        self.register_outputs({"bucket": self.bucket.bucket, "arn": self.bucket.arn})

    def _keep_versions(self) -> "s3.BucketVersioning":
        return s3.BucketVersioning(
            self._name,
            bucket=self.bucket.id,
            region=self._declared.region,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self._settings,
        )

    def _encrypt(self) -> None:
        key = self._declared.kms_key
        default = s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms" if key else "AES256", kms_master_key_id=key
        )
        s3.BucketServerSideEncryptionConfiguration(
            self._name,
            bucket=self.bucket.id,
            region=self._declared.region,
            rules=[
                s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=default, bucket_key_enabled=key is not None
                )
            ],
            opts=self._settings,
        )

    def _keep_private(self) -> "s3.BucketPublicAccessBlock":
        return s3.BucketPublicAccessBlock(
            self._name,
            bucket=self.bucket.id,
            region=self._declared.region,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._settings,
        )

    def _require_tls(self, after: pulumi.Resource) -> None:
        s3.BucketPolicy(
            self._name,
            bucket=self.bucket.id,
            region=self._declared.region,
            policy=self.bucket.arn.apply(tls_only),
            # S3 refuses two changes of a bucket's access at the same moment.
            opts=self._after(after),
        )

    def _expire(self, versioning: pulumi.Resource) -> None:
        s3.BucketLifecycleConfiguration(
            self._name,
            bucket=self.bucket.id,
            region=self._declared.region,
            rules=[
                s3.BucketLifecycleConfigurationRuleArgs(
                    id="deleted-backups",
                    status="Enabled",
                    filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    noncurrent_version_expiration=s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=deleted_kept_days(self._declared)
                    ),
                    expiration=s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
                    abort_incomplete_multipart_upload=s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                        days_after_initiation=_UPLOAD_ABANDONED_AFTER_DAYS
                    ),
                )
            ],
            opts=self._after(versioning),
        )

    def _lock(self, versioning: pulumi.Resource) -> None:
        lock = self._declared.object_lock
        if lock is None:
            return
        retention = s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
            mode=lock.mode.upper(), days=whole_days(lock.retention)
        )
        s3.BucketObjectLockConfiguration(
            self._name,
            bucket=self.bucket.id,
            region=self._declared.region,
            rule=s3.BucketObjectLockConfigurationRuleArgs(default_retention=retention),
            opts=self._after(versioning),
        )

    def _after(self, resource: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(self._settings, pulumi.ResourceOptions(depends_on=[resource]))


def tls_only(arn: str) -> str:
    """Bucket policy that refuses every request without TLS."""
    statement = {
        "Sid": "DenyInsecureTransport",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
