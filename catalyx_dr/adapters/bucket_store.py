"""Objects in one bucket of any S3-compatible store: uploads, downloads, versions and locks."""

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, SSLError

from catalyx_dr.adapters.multipart_upload import MultipartUpload, check_received, crc32
from catalyx_dr.adapters.outage import Outages, silent
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.adapters.secret_files import SecretReader
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.errors import (
    ArchivedError,
    CatalyxDrError,
    EndedError,
    MissingError,
    RefusedError,
    UnreachableError,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_WRONG_KEY = ("XAdminUserNotFound",)  # versitygw's word for an unknown access key, with status 404
# What is wrong where it is not the access key that a store refuses.
_WAYS_OUT = {
    "RequestTimeTooSkewed": "correct the clock of this node, or the store's",
    "ExpiredToken": "its credentials have expired: renew what gives them to the job, and run again",
    "InvalidToken": "its session token is not one of this store: correct what gives it to the job",
    "PermanentRedirect": "correct bucket.region or bucket.endpoint",
    "AuthorizationHeaderMalformed": "correct bucket.region",
}
# What passes by itself, though the status says that the request was wrong.
_PASSING = ("OperationAborted", "RequestTimeout")
_LOCKED = ("AccessDenied", "InvalidRequest", "MethodNotAllowed")
_UNSUPPORTED = ("NotImplemented", "MethodNotAllowed", "AccessDenied", "403")
_NO_LOCK = (
    "NoSuchObjectLockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "InvalidRequest",
    "NotImplemented",
    "NoSuchKey",
    "404",
)


class Effort(Enum):
    """How hard a store is tried: a job waits for it, a preview only looks whether it answers."""

    PATIENT = "patient"
    BRIEF = "brief"


@dataclass(frozen=True)
class StoredObject:
    """An object as the bucket lists it; `etag` is another one when something else is written under the same key."""

    key: str
    bytes: int
    etag: str


class BucketStore:
    """One bucket. Every error names bucket and endpoint, never a credential."""

    def __init__(self, client: "S3Client", at: BackupBucket, say: Callable[[str], None] = silent) -> None:
        self.client = client
        self.at = at
        self.outages = Outages(str(self), at.outage_patience, say)

    @classmethod
    def reach(
        cls,
        at: BackupBucket,
        secrets: SecretReader,
        effort: Effort = Effort.PATIENT,
        say: Callable[[str], None] = silent,
    ) -> "BucketStore":
        """Bucket with credentials from the mounted Secret, else those of the service account; makes no request.

        `say` hears of an outage that something to be stored waits for.
        """
        key_id = key = None
        if at.credentials is not None:
            key_id = secrets.read(at.credentials.secret, at.credentials.access_key_id_key)
            key = secrets.read(at.credentials.secret, at.credentials.secret_access_key_key)
        config = Config(
            # Without TLS too: parts have checksums, what they make has the SHA-256 of its manifest, and age seals it.
            s3={"addressing_style": _addressing(at), "payload_signing_enabled": False},
            retries={"mode": "standard", "max_attempts": 5 if effort is Effort.PATIENT else 1},
            connect_timeout=10 if effort is Effort.PATIENT else 3,
            read_timeout=60 if effort is Effort.PATIENT else 10,
        )
        client = boto3.client(
            "s3",
            endpoint_url=at.endpoint,
            region_name=at.region,
            aws_access_key_id=key_id,
            aws_secret_access_key=key,
            verify=_authorities(at, secrets),
            config=config,
        )
        return cls(client, at, say)

    def __str__(self) -> str:
        return f"bucket {self.at.name!r} at {self.at.endpoint or f'AWS {self.at.region}'}"

    def check(self) -> None:
        """Raise RefusedError or UnreachableError unless the bucket is there and may be listed."""
        with self.explained("list"):
            self.client.list_objects_v2(Bucket=self.at.name, MaxKeys=1)

    def objects(self, prefix: str) -> list[StoredObject]:
        """Objects whose keys begin with `prefix`, in order of their keys."""
        with self.explained(f"list {prefix}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.at.name, Prefix=prefix)
            found = [item for page in pages for item in page.get("Contents", [])]
        return [StoredObject(item["Key"], item["Size"], item["ETag"]) for item in found]

    def put(self, key: str, content: bytes) -> None:
        """Store a small object, and see that the store received it, and encrypted it where that is asked for.

        It is the last of every set and dump, so that none is listed whose store ignored it. Waits for a store that is
        away. Raises RefusedError, UnreachableError.
        """

        def put() -> None:
            with self.explained(f"write {key}"):
                answer = self.client.put_object(
                    Bucket=self.at.name, Key=key, Body=content, ChecksumCRC32=crc32(content), **self.object_arguments()
                )
            check_received(key, content, answer)
            if self.at.server_side_encryption != "default" and "ServerSideEncryption" not in answer:
                raise RefusedError(
                    f"{self} did not encrypt {key}, which bucket.serverSideEncryption asks for; leave that out, or "
                    "use a store that does"
                )

        self.outages.outlast(put, Event())

    def get(self, key: str) -> bytes:
        """Content of a small object; raises MissingError."""
        with self.explained(f"read {key}"):
            return self.client.get_object(Bucket=self.at.name, Key=key)["Body"].read()

    def beginning(self, key: str, count: int) -> bytes:
        """First `count` bytes of an object, fewer when it is shorter."""
        with self.explained(f"read {key}"):
            answer = self.client.get_object(Bucket=self.at.name, Key=key, Range=f"bytes=0-{count - 1}")
            return answer["Body"].read()

    def open(self, key: str) -> Any:
        """Body of an object, to be read once from beginning to end."""
        with self.explained(f"read {key}"):
            return self.client.get_object(Bucket=self.at.name, Key=key)["Body"]

    @contextmanager
    def writing(self, key: str, pace: Pace, given_up: Event) -> Iterator[MultipartUpload]:
        """Stream into `key` in parts with checksums; the object exists after the block, or not at all.

        `given_up`: set by whoever wants no more of it; then, and when the run is ended, the store is not asked to drop
        what was sent, for which there may be no time: the next run does that.
        """
        upload = MultipartUpload(self, key, pace, given_up)
        try:
            yield upload
            upload.complete()
        except BaseException as error:
            hurried = given_up.is_set() or isinstance(error, EndedError)
            upload.give_up()
            if not hurried:
                with suppress(CatalyxDrError):
                    upload.abort()
            raise

    def look_at(self, key: str, given_up: Event) -> StoredObject:
        """What the store has under a key; raises MissingError. Waits for a store that is away, until `given_up`."""

        def look() -> StoredObject:
            with self.explained(f"read {key}"):
                found = self.client.head_object(Bucket=self.at.name, Key=key)
            return StoredObject(key, found["ContentLength"], found["ETag"])

        return self.outages.outlast(look, given_up)

    def locked_until(self, key: str) -> datetime | None:
        """Moment before which the store says that it will not delete the object, or None."""
        try:
            with self.explained(f"read the lock of {key}", passing=_NO_LOCK):
                found = self.client.get_object_retention(Bucket=self.at.name, Key=key)
        except ClientError:
            return None
        return found["Retention"].get("RetainUntilDate")

    def delete(self, key: str) -> bool:
        """Delete an object with all its versions; False when a lock forbids it (some stores tell only then)."""
        return self._delete(key, lambda found: found == key)

    def delete_below(self, folder: str) -> bool:
        """The same of every object whose key begins with `folder`."""
        return self._delete(folder, lambda _: True)

    def _delete(self, prefix: str, wanted: Callable[[str], bool]) -> bool:
        try:
            with self.explained(f"delete {prefix}", passing=_LOCKED):
                for version in self._versions(prefix):
                    if wanted(version["Key"]):
                        self._delete_version(prefix, version)
        except ClientError:
            return False
        return True

    def _delete_version(self, prefix: str, version: dict[str, str]) -> None:
        try:
            self.client.delete_object(Bucket=self.at.name, **version)  # type: ignore[arg-type]
        except ClientError:
            # One whose answer was lost is asked for again: versitygw knows no such version by then.
            if version in self._versions(prefix):
                raise

    def abort_uploads(self, prefix: str, begun_before: datetime) -> None:
        """Drop the parts of uploads that were never completed."""
        with self.explained(f"list unfinished uploads of {prefix}"):
            pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.at.name, Prefix=prefix)
            for item in [item for page in pages for item in page.get("Uploads", [])]:
                if item["Key"].startswith(prefix) and item["Initiated"] < begun_before:
                    self._abort(Key=item["Key"], UploadId=item["UploadId"])

    def _abort(self, **upload: str) -> None:
        # One whose answer was lost is asked for again, and is gone by then.
        with suppress(self.client.exceptions.NoSuchUpload):
            self.client.abort_multipart_upload(Bucket=self.at.name, **upload)  # type: ignore[arg-type]

    def _versions(self, prefix: str) -> list[Any]:
        """Versions and delete markers, newest first; what is listed at all where versions cannot be."""
        try:
            pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.at.name, Prefix=prefix)
            found = [item for page in pages for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]]
        except ClientError as error:
            if _code(error) not in _UNSUPPORTED:
                raise
            return [{"Key": item.key} for item in self.objects(prefix)]
        return [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]

    def object_arguments(self) -> dict[str, Any]:
        """What every object is stored with."""
        return {**self._encryption_arguments(), **self._lock_arguments()}

    def _encryption_arguments(self) -> dict[str, Any]:
        if self.at.server_side_encryption == "sse-s3":
            return {"ServerSideEncryption": "AES256"}
        if self.at.server_side_encryption == "sse-kms" and self.at.kms_key is not None:
            return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.at.kms_key}
        return {}

    def _lock_arguments(self) -> dict[str, Any]:
        lock = self.at.object_lock
        if lock is None:
            return {}
        # Said for each object: some stores do not report the retention that a bucket's default gave.
        return {"ObjectLockMode": lock.mode.upper(), "ObjectLockRetainUntilDate": datetime.now(UTC) + lock.retention}

    @contextmanager
    def explained(self, action: str, passing: tuple[str, ...] = ()) -> Iterator[None]:
        """Turn the store's errors into errors that say what to do; a ClientError with a code in `passing` passes."""
        try:
            yield
        except ClientError as error:
            if _code(error) in passing:
                raise
            raise self._explain(action, error) from None
        except SSLError as error:
            raise UnreachableError(
                f"could not {action} in {self}: its certificate is not trusted ({_reason(error)}); give the "
                "certificates of the authority that signed it in bucket.caBundle, or correct the endpoint's host name"
            ) from None
        except (NoCredentialsError, PartialCredentialsError):
            raise RefusedError(
                f"could not {action} in {self}: nothing gives the job an access key; {self._opened_by}"
            ) from None
        except BotoCoreError as error:
            raise UnreachableError(
                f"could not {action} in {self}: {_without_newlines(error)}; check endpoint, network and store"
            ) from None

    def _explain(self, action: str, error: ClientError) -> CatalyxDrError:
        code, message = _code(error), error.response.get("Error", {}).get("Message") or "no message"
        what = f"could not {action} in {self}: {code} {message}"
        if code in ("NoSuchBucket",):
            return MissingError(f"{what}; create the bucket, or correct its name")
        if code in ("NoSuchKey", "404"):
            return MissingError(f"{what}; it is not there")
        if code == "InvalidObjectState":
            return ArchivedError(
                f"{what}; a lifecycle rule archived it: bring it back (aws s3api restore-object), run again when it is "
                "there, and leave these objects out of the rule"
            )
        if code in _WAYS_OUT:
            return RefusedError(f"{what}; {_WAYS_OUT[code]}")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if 400 <= status < 500 and "kms" in f"{code}{message}".lower():
            # Ceph says InvalidAccessKeyId of a key that its KMS does not know.
            return RefusedError(f"{what}; correct bucket.kmsKey, or the right to use that key")
        if code == "InvalidArgument" and self.at.server_side_encryption != "default":
            return RefusedError(f"{what}; it may have no key to encrypt with: correct bucket.serverSideEncryption")
        if status in (401, 403) or code in _WRONG_KEY:
            return RefusedError(f"{what}; {self._opened_by}")
        if status >= 500 or status == 429 or code in _PASSING:
            return UnreachableError(f"{what}; the store has a fault, try again later")
        return CatalyxDrError(what)

    @property
    def _opened_by(self) -> str:
        """What a person corrects where the store lets the job not in."""
        if self.at.credentials is None:
            return (
                "correct the role of the job's service account (serviceAccountAnnotations), its rights or the bucket's "
                "policy, or name a Secret with an access key in bucket.credentials"
            )
        return "correct the access key in the store's Secret, the rights it has, or the bucket's policy"


def _addressing(at: BackupBucket) -> Literal["auto", "path", "virtual"]:
    """How the bucket is addressed; host names such as bucket.store.svc do not resolve, so that auto means the path."""
    if at.addressing == "virtual-host":
        return "virtual"
    return "path" if at.addressing == "path" or at.endpoint else "auto"


def _authorities(at: BackupBucket, secrets: SecretReader) -> str | None:
    """File with the certificates to trust; None: the public ones. Raises RefusedError for one that is not there."""
    if at.ca_bundle is None:
        return None
    path = secrets.path(at.ca_bundle.name, at.ca_bundle.key)
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        raise RefusedError(
            f"{at.ca_bundle.kind} {at.ca_bundle.name!r} has no certificates under key {at.ca_bundle.key!r} "
            f"({type(error).__name__}); create it in the validator's namespace with the authority's PEM file"
        ) from None
    return str(path)


def _reason(error: SSLError) -> str:
    found = re.search(r"certificate verify failed: ([^(]+?)\s*\(", str(error))
    return found[1] if found else "TLS failed"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _without_newlines(error: Exception) -> str:
    return " ".join(str(error).split())
