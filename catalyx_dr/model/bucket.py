"""A bucket outside the cluster, and how its store is reached."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from catalyx_dr.model.addresses import Endpoint
from catalyx_dr.model.bucket_name import check_bucket_name
from catalyx_dr.model.duration import PositiveDuration, format_duration
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.spec import DataKey, ObjectName, Spec, Text


def _check_prefix(prefix: str) -> str:
    if {".", ".."} & set(prefix.split("/")):
        raise ValueError(f"{prefix!r} is no key prefix: . and .. are no folders in a bucket; write backups/")
    return prefix


BucketName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"), AfterValidator(check_bucket_name)
]


_KMS_ARN = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:"
_KMS_KEY_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}"
_AWS_KEY = re.compile(rf"({_KMS_ARN}key/)?({_KMS_KEY_ID})|({_KMS_ARN})?alias/[A-Za-z0-9/_-]+")
_AWS_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")


class ObjectLock(Spec):
    """Object lock of a bucket: nobody can delete a version before its time."""

    mode: Literal["governance", "compliance"] = "governance"
    retention: PositiveDuration

    def __str__(self) -> str:
        return f"{self.mode} {format_duration(self.retention)}"


class BucketCredentials(Spec):
    """Secret with the store's access key; leave out where the service account itself has access."""

    secret: ObjectName
    access_key_id_key: DataKey = "access-key-id"
    secret_access_key_key: DataKey = "secret-access-key"  # noqa: S105


class CaBundle(Spec):
    """Certificates (PEM) of the authorities that sign the store's; they take the place of the public ones."""

    kind: Literal["ConfigMap", "Secret"] = "ConfigMap"
    name: ObjectName
    key: DataKey = "ca.crt"


class BackupBucket(Spec):
    """Bucket outside the cluster: declared with pulumi-aws, made at any S3-compatible store, or used as it is."""

    name: BucketName
    provider: Literal["aws", "s3-compatible", "existing"] = "aws"
    retention: Retention
    prefix: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9._-]+/)*$"), AfterValidator(_check_prefix)] = Field(
        default="",
        description="Ends in a slash; the validator's name follows",
    )
    endpoint: Endpoint | None = Field(default=None, description="Absent means AWS")
    region: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")] = "us-east-1"
    credentials: BucketCredentials | None = None
    object_lock: ObjectLock | None = None
    kms_key: Text | None = None
    ca_bundle: CaBundle | None = Field(default=None, description="Where no public authority signed the certificate")
    addressing: Literal["auto", "path", "virtual-host"] = Field(
        default="auto", description="Bucket in the path or in the host name; auto: path where an endpoint is given"
    )
    server_side_encryption: Literal["default", "sse-s3", "sse-kms"] = Field(
        default="default", description="What is asked for with each object; default: what the bucket does by itself"
    )
    outage_patience: PositiveDuration = Field(
        default=timedelta(minutes=5),
        description="How long an upload waits for a store that does not answer; then the run fails, and the next one "
        "sends what is on the volume",
    )

    @model_validator(mode="after")
    def _kms_has_key(self) -> "BackupBucket":
        if self.server_side_encryption == "sse-kms" and self.kms_key is None:
            raise ValueError("kmsKey is required when serverSideEncryption is sse-kms; write the key's id or ARN")
        if self.kms_key is not None and self.provider != "aws" and self.server_side_encryption != "sse-kms":
            raise ValueError("kmsKey is used with serverSideEncryption sse-kms only; write that, or leave kmsKey out")
        return self

    @model_validator(mode="after")
    def _authorities_fit_endpoint(self) -> "BackupBucket":
        if self.ca_bundle is not None and (self.endpoint is None or self.endpoint.startswith("http://")):
            raise ValueError("caBundle is only for an endpoint with https://; leave it out, or correct endpoint")
        return self

    @model_validator(mode="after")
    def _endpoint_fits_provider(self) -> "BackupBucket":
        if self.provider == "s3-compatible" and self.endpoint is None:
            raise ValueError(
                "endpoint is required when provider is s3-compatible; write for example http://s3.storage:7070"
            )
        if self.provider == "aws" and self.endpoint is not None:
            raise ValueError("endpoint is not allowed when provider is aws; use provider s3-compatible or existing")
        if self.provider == "aws" and _AWS_REGION.fullmatch(self.region) is None:
            raise ValueError(f"region is {self.region!r}; allowed with provider aws: a code such as eu-central-1")
        if self.provider == "aws" and self.kms_key is not None and _AWS_KEY.fullmatch(self.kms_key) is None:
            raise ValueError(
                f"kmsKey is {self.kms_key!r}; allowed with provider aws: a key's id, alias/NAME, or the ARN of either"
            )
        return self
