"""Streams the dump of one database into the bucket: decoded, counted, hashed and encrypted on the way."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime

from catalyx_dr.adapters import postgres
from catalyx_dr.adapters.bucket_sets import BucketSets, streamed_name
from catalyx_dr.adapters.dump_proof import row_faults
from catalyx_dr.adapters.measure import Measure
from catalyx_dr.adapters.programs import Program
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.adapters.row_counting import rows_by_table
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.backup_set import DatabaseCapture
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.operations.archive_upload import ArchiveUpload
from catalyx_dr.operations.capture import Dumped, Observed, Source, observe, slowed


class _Tee:
    """What pg_dump writes, read once: measured, and passed to the program that decodes it."""

    def __init__(self, dump: Program, check: Program) -> None:
        self._dump = dump
        self._check = check
        self.measure = Measure()

    def read(self, size: int = -1, /) -> bytes:
        """Read what is there; the end is only told when pg_dump has said that the dump is whole."""
        data = self._dump.output.read(size)
        if not data:
            self._dump.finish()
            self._check.input.close()
            return data
        self.measure.add(data)
        try:
            self._check.input.write(data)
        except BrokenPipeError:
            self._check.finish()
            raise UnprovenError("the dump could not be decoded to its end") from None
        return data


@dataclass(frozen=True)
class Streamed:
    """A database that is in the bucket."""

    capture: DatabaseCapture
    observed: Observed


@contextmanager
def _two_threads(name: str) -> Iterator[ThreadPoolExecutor]:
    """Two threads, not waited for after the block: they end with the programs and the upload that they serve."""
    pool = ThreadPoolExecutor(2, thread_name_prefix=name)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def stream(
    source: Source,
    bucket: BucketSets,
    set_id: str,
    backup: DatabaseBackup,
    recipients: Sequence[str],
    now: Callable[[], datetime],
) -> Streamed:
    """Dump into the bucket; returns when the archive is there and proven to hold what the database held.

    Raises UnprovenError, UnreachableError or CatalyxDrError; segments that are there by then are left.
    """
    role, name = source.role, streamed_name(source.role)
    started = now()
    with (
        _two_threads(f"stream of {role}") as pool,
        source.server.connect(source.database.name) as connection,
        postgres.exported_snapshot(connection) as snapshot,
        slowed(source.server, backup) as server,
        source.client.decoding_stream(source.database.name) as check,
        source.client.streaming(server, source.database.name, snapshot, level=backup.compression_level) as dump,
        closing(ArchiveUpload(bucket, set_id, name, recipients, Pace(backup.limits.upload_rate))) as upload,
    ):
        tee = _Tee(dump, check)
        counting = pool.submit(rows_by_table, check.output)
        sending = pool.submit(upload.send, tee)
        observed = observe(source, connection)
        segments = sending.result()
        completed = now()
        faults = row_faults(observed.tables, observed.row_counts, counting.result())
        if faults:
            raise UnprovenError(f"the {role} dump is not what the database held: {'; '.join(faults[:3])}")
    files = (tee.measure.as_stored(name),)
    return Streamed(Dumped(source, started, completed, observed).capture(files, segments), observed)
