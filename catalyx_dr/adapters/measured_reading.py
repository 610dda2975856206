"""Reading files and objects to their last byte with bounded memory and at a gentle pace; size and SHA-256 come out."""

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from botocore.exceptions import BotoCoreError, HTTPClientError

from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.errors import UnreachableError

_BLOCK_BYTES = 1024 * 1024
_ATTEMPTS = 3


@dataclass(frozen=True)
class Reading:
    """What was read."""

    bytes: int
    sha256: str

    def differs_from(self, expected: StoredFile) -> str | None:
        """How it differs from what was written; None when it does not."""
        if self.bytes != expected.bytes:
            return f"has {self.bytes} bytes, {expected.bytes} were written"
        if self.sha256 != expected.sha256:
            return "has changed: its SHA-256 is another one than when it was written"
        return None


def read_file(path: Path, pace: Pace) -> Reading:
    """Read a file; raises OSError."""
    with path.open("rb", buffering=0) as file:
        return _read(file, pace)


def read_object(store: BucketStore, key: str, pace: Pace) -> Reading:
    """Read an object, again when the connection breaks; raises MissingError or UnreachableError."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with closing(store.open(key)) as body:
                return _read(body, pace)
        except (BotoCoreError, HTTPClientError, OSError) as error:
            if attempt == _ATTEMPTS:
                raise UnreachableError(
                    f"{key} in {store} could not be read to its end ({type(error).__name__}, {_ATTEMPTS} attempts)"
                ) from None
    raise AssertionError(_ATTEMPTS)


def _read(source: IO[bytes], pace: Pace) -> Reading:
    digest, count = hashlib.sha256(), 0
    while block := source.read(_BLOCK_BYTES):
        digest.update(block)
        count += len(block)
        pace.spend(len(block))
    return Reading(count, digest.hexdigest())
