"""One object of unknown size, written as a stream: parts with checksums, a few on the way at a time, memory bounded."""

import io
import re
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from hashlib import md5
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar
from uuid import uuid4

from botocore.exceptions import ClientError

from catalyx_dr.adapters.measure import Measure
from catalyx_dr.adapters.outage import Outages
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.errors import CatalyxDrError, UnreachableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

# The least that S3 takes. It takes 10,000 of them, which is far more than a segment of an archive has.
_PART_BYTES = 5 * 1024 * 1024
_CHECKSUM: Literal["CRC32"] = "CRC32"
_ON_THE_WAY = 2
# Metadata of the object, by which an upload knows what became of it from what was there before.
_MARK = "catalyx-dr-upload"
_MD5 = re.compile(r"[0-9a-f]{32}")
_Answer = TypeVar("_Answer")


class UploadStore(Protocol):
    """What an upload needs of its store."""

    client: "S3Client"
    at: BackupBucket
    outages: Outages

    def explained(self, action: str) -> AbstractContextManager[None]:
        """Turn the store's errors into errors that say what to do."""

    def object_arguments(self) -> dict[str, Any]:
        """What every object is stored with."""


class MultipartUpload(io.RawIOBase):
    """Writable stream into one object, which exists once `complete` has returned.

    No more is written once `given_up` is set, and a store that is away is not waited for.
    """

    def __init__(self, store: UploadStore, key: str, pace: Pace, given_up: Event) -> None:
        self._store = store
        self._at: dict[str, Any] = {"Bucket": store.at.name, "Key": key}
        self._key = key
        self._pace = pace
        self._pool = ThreadPoolExecutor(_ON_THE_WAY, thread_name_prefix="upload")
        self._on_the_way: list[Future[CompletedPartTypeDef]] = []
        self._parts: list[CompletedPartTypeDef] = []
        self._number = 0
        self._part = bytearray()
        self._given_up = given_up
        self.measure = Measure()
        self._mark = {_MARK: uuid4().hex}
        answer = self._ask(
            lambda: store.client.create_multipart_upload(
                **self._at, Metadata=self._mark, ChecksumAlgorithm=_CHECKSUM, **store.object_arguments()
            )
        )
        self._upload: dict[str, Any] = {**self._at, "UploadId": answer["UploadId"]}

    def write(self, data: Any, /) -> int:
        """Take bytes; waits while enough is on the way. Raises what an earlier part met."""
        if self._given_up.is_set():
            raise CatalyxDrError(f"the upload of {self._key} was given up")
        block = memoryview(data)
        self.measure.add(block)
        self._pace.spend(len(block))
        left = block
        while left:
            room = _PART_BYTES - len(self._part)
            self._part += left[:room]
            left = left[room:]
            if len(self._part) == _PART_BYTES:
                self._send()
        return len(block)

    def complete(self) -> None:
        """Send what is left and make the object of all parts."""
        if self._part:
            self._send()
        self._settle(0)
        self._pool.shutdown()
        self._ask(self._make)

    def give_up(self) -> None:
        """Let no more be written; parts that are on the way are not waited for."""
        self._given_up.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def abort(self) -> None:
        """Drop what was sent. Raises UnreachableError when the store does not answer."""
        with self._store.explained(f"drop the upload of {self._key}"):
            self._store.client.abort_multipart_upload(**self._upload)

    def _make(self) -> None:
        """Make the object, and see it; to be repeated after an answer that was lost or came too late.

        Meanwhile the object may be there and its upload gone, or be made still: versitygw 1.8 answers a repeated
        request before it is there, Ceph with an error.
        """
        parts: Any = {"Parts": self._parts}
        fault = ""
        try:
            self._store.client.complete_multipart_upload(**self._upload, MultipartUpload=parts)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchUpload":
                raise
            fault = ", nor the upload any more"
        if not self._is_made():
            raise UnreachableError(f"{self._store} has no object {self._key} of this upload yet{fault}; run again")

    def _is_made(self) -> bool:
        try:
            found = self._store.client.head_object(**self._at)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return False
        return found["Metadata"].items() >= self._mark.items()

    def _send(self) -> None:
        self._settle(_ON_THE_WAY - 1)
        part, self._part = bytes(self._part), bytearray()
        self._number += 1
        self._on_the_way.append(self._pool.submit(self._send_part, self._number, part))

    def _send_part(self, number: int, part: bytes) -> "CompletedPartTypeDef":
        answer = self._ask(
            lambda: self._store.client.upload_part(
                **self._upload, PartNumber=number, Body=part, ChecksumCRC32=crc32(part)
            )
        )
        check_received(self._key, part, answer)
        checksums = {
            name: value for name, value in answer.items() if name.startswith("Checksum") and name != "ChecksumType"
        }
        return {"PartNumber": number, "ETag": answer["ETag"], **checksums}  # type: ignore[typeddict-item]

    def _ask(self, request: Callable[[], _Answer]) -> _Answer:
        """Ask the store, and again while it is away, until the upload is given up."""

        def ask() -> _Answer:
            with self._store.explained(f"write {self._key}"):
                return request()

        return self._store.outages.outlast(ask, self._given_up)

    def _settle(self, allowed: int) -> None:
        """Wait for parts in their order until no more than this are on the way."""
        while len(self._on_the_way) > allowed:
            self._parts.append(self._on_the_way.pop(0).result())


def crc32(content: bytes) -> str:
    """As S3 writes it. Left to the client library, it follows the content in a form that not every store reads."""
    return b64encode(zlib.crc32(content).to_bytes(4)).decode()


def check_received(key: str, content: bytes, answer: Mapping[str, Any]) -> None:
    """Raise CatalyxDrError when the answer of a store that knows no checksums tells of other bytes than were sent.

    Ceph takes a checksum and ignores it (seen with 18.2); its ETag of what is not encrypted is the MD5, as at AWS. From
    an ETag of another form nothing can be told.
    """
    etag = answer["ETag"].strip('"')
    if "ChecksumCRC32" in answer or "ServerSideEncryption" in answer or not _MD5.fullmatch(etag):
        return
    if etag != md5(content, usedforsecurity=False).hexdigest():
        raise CatalyxDrError(
            f"other bytes of {key} reached the store than were sent; look at the network, and run again"
        )
