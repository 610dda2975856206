"""One object of unknown size, written as a stream: parts with checksums, a few on the way at a time, memory bounded."""

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from tempfile import SpooledTemporaryFile
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from catalyx_dr.adapters.outage import Outages
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.errors import CatalyxDrError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_MIB = 1024 * 1024
# S3 takes 10,000 parts an object. They grow, so that small objects need little memory and large ones find room:
# 5 MiB up to 10 GiB, 8 up to 25 GiB, 16 up to 72 GiB, 64 up to 260 GiB, 256 up to 510 GiB.
_LARGER_AFTER = ((2000, 5 * _MIB), (4000, 8 * _MIB), (7000, 16 * _MIB), (9000, 64 * _MIB), (10_000, 256 * _MIB))
# Larger parts wait on disk: memory stays the same for an archive of any size.
_IN_MEMORY_BYTES = 8 * _MIB
_CHECKSUM: Literal["CRC32"] = "CRC32"
_ON_THE_WAY = 2
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
    """Writable stream into one object, which exists once `complete` has returned."""

    def __init__(self, store: UploadStore, key: str, pace: Pace) -> None:
        self._store = store
        self._at: dict[str, Any] = {"Bucket": store.at.name, "Key": key}
        self._key = key
        self._pace = pace
        self._pool = ThreadPoolExecutor(_ON_THE_WAY, thread_name_prefix="upload")
        self._on_the_way: list[Future[CompletedPartTypeDef]] = []
        self._parts: list[CompletedPartTypeDef] = []
        self._number = 0
        self._part: SpooledTemporaryFile[bytes] | None = None
        self._hash = hashlib.sha256()
        self._given_up = Event()
        self.bytes = 0
        answer = self._ask(
            lambda: store.client.create_multipart_upload(
                **self._at, ChecksumAlgorithm=_CHECKSUM, **store.object_arguments()
            )
        )
        self._upload: dict[str, Any] = {**self._at, "UploadId": answer["UploadId"]}

    @property
    def sha256(self) -> str:
        """Hash of what was written, in hexadecimal digits."""
        return self._hash.hexdigest()

    def write(self, data: Any, /) -> int:
        """Take bytes; waits while enough is on the way. Raises what an earlier part met."""
        if self._given_up.is_set():
            raise CatalyxDrError(f"the upload of {self._key} was given up")
        block = memoryview(data)
        self._hash.update(block)
        self.bytes += len(block)
        self._pace.spend(len(block))
        left, size = block, self._part_bytes()
        while left:
            self._part = part = self._part or SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115
            taken, left = left[: size - part.tell()], left[size - part.tell() :]
            part.write(taken)
            if part.tell() == size:
                self._send(part)
                size = self._part_bytes()
        return len(block)

    def complete(self) -> None:
        """Send what is left and make the object of all parts."""
        if self._part:
            self._send(self._part)
        self._settle(0)
        self._pool.shutdown()
        self._ask(
            lambda: self._store.client.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts})
        )

    def give_up(self) -> None:
        """Let no more be written; parts that are on the way are not waited for."""
        self._given_up.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._part:
            self._part.close()

    def abort(self) -> None:
        """Drop what was sent. Raises UnreachableError when the store does not answer."""
        self.give_up()
        with self._store.explained(f"drop the upload of {self._key}"):
            self._store.client.abort_multipart_upload(**self._upload)

    def _part_bytes(self) -> int:
        return next((size for last, size in _LARGER_AFTER if self._number < last), 0) or self._too_large()

    def _too_large(self) -> int:
        raise CatalyxDrError(f"{self._key} has more than the {self._number} parts that a store takes; use snapshots")

    def _send(self, part: SpooledTemporaryFile[bytes]) -> None:
        self._settle(_ON_THE_WAY - 1)
        self._part = None
        self._number += 1
        sending = self._pool.submit(self._send_part, self._number, part)
        sending.add_done_callback(lambda _: part.close())
        self._on_the_way.append(sending)

    def _send_part(self, number: int, part: SpooledTemporaryFile[bytes]) -> "CompletedPartTypeDef":
        size = part.tell()

        def upload() -> Any:
            part.seek(0)
            body = part if size > _IN_MEMORY_BYTES else part.read()
            return self._store.client.upload_part(
                **self._upload, PartNumber=number, Body=body, ChecksumAlgorithm=_CHECKSUM
            )

        answer = self._ask(upload)
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
