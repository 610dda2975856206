"""Reading files and objects to their last byte with bounded memory and at a gentle pace, to compare what they hold."""

from contextlib import closing
from pathlib import Path
from typing import IO

from botocore.exceptions import BotoCoreError, HTTPClientError

from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.dump_files import regular
from catalyx_dr.adapters.measure import Measure
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.model.errors import UnreachableError

_BLOCK_BYTES = 1024 * 1024
_ATTEMPTS = 3


def read_file(path: Path, pace: Pace, expected: int) -> Measure:
    """Read a file, no further than its size is the expected one; raises OSError."""
    with regular(path).open("rb", buffering=0) as file:
        return _read(file, pace, expected)


def read_object(store: BucketStore, key: str, pace: Pace, expected: int) -> Measure:
    """The same of an object, again when the connection breaks; raises RefusedError or UnreachableError."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with closing(store.open(key)) as body:
                return _read(body, pace, expected)
        except (BotoCoreError, HTTPClientError, OSError) as error:
            if attempt == _ATTEMPTS:
                raise UnreachableError(
                    f"{key} in {store} could not be read to its end ({type(error).__name__}, {_ATTEMPTS} attempts)"
                ) from None
    raise AssertionError(_ATTEMPTS)


def _read(source: IO[bytes], pace: Pace, expected: int) -> Measure:
    measure = Measure()
    while measure.bytes <= expected and (block := source.read(_BLOCK_BYTES)):
        measure.add(block)
        pace.spend(len(block))
    return measure
