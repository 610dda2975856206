"""Exports a set to the bucket while it is still dumped and proven: both archives encrypted on the way."""

import concurrent.futures
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from catalyx_dr.adapters.archives import TarStream
from catalyx_dr.adapters.bucket_sets import BucketSets, archive_name
from catalyx_dr.adapters.dump_proof import DumpProof
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.adapters.sent_notes import SentNotes
from catalyx_dr.model.backup_set import Manifest, StoredFile
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.operations.archive_upload import ArchiveUpload

_PATIENCE = timedelta(seconds=10)


class Export:
    """The archive of one database, sent in the background as its files become proven."""

    def __init__(
        self,
        bucket: BucketSets,
        set_id: str,
        role: DatabaseRole,
        root: Path,
        proof: DumpProof,
        recipients: Sequence[str],
        pace: Pace,
    ) -> None:
        # Both hold on to the folder, which is renamed when the set is published.
        tar, notes = TarStream(root, proof.proven_files()), SentNotes(root)
        self._upload = ArchiveUpload(bucket, set_id, archive_name(role), recipients, pace, notes)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"export of {role}")
        self._sending = self._pool.submit(_send, self._upload, notes, tar)

    def result(self) -> tuple[StoredFile, ...]:
        """Wait until the archive is there in full. Raises UnreachableError, RefusedError or UnprovenError."""
        return self._sending.result()

    def close(self) -> None:
        """Give up what is not sent, and wait a little for the end of that."""
        self._upload.close()
        self._pool.shutdown(wait=False)
        concurrent.futures.wait([self._sending], _PATIENCE.total_seconds())


def export(
    manifest: Manifest,
    folder: Path,
    bucket: BucketSets,
    recipients: Sequence[str],
    rate: int | None,
    is_over: Callable[[], bool] = lambda: False,
) -> Manifest:
    """Store a proven set whose files are in `folder`, by `rate` bytes a second; returns the manifest as it is stored.

    What an earlier run sent of it, and noted there, is not sent again. Raises UnreachableError, RefusedError,
    UnprovenError, or CatalyxDrError when its time `is_over`, and then no manifest was written.
    """

    def sent(role: DatabaseRole, files: Sequence[StoredFile]) -> tuple[StoredFile, ...]:
        notes = SentNotes(folder)
        upload = ArchiveUpload(bucket, manifest.set_id, archive_name(role), recipients, Pace(rate), notes, is_over)
        return _send(upload, notes, TarStream(folder, files))

    segments = {capture.role: sent(capture.role, capture.files) for capture in manifest.databases}
    exported = manifest.with_segments(segments).model_copy(update={"recipients": tuple(recipients)})
    bucket.publish(exported)
    return exported


def _send(upload: ArchiveUpload, notes: SentNotes, tar: TarStream) -> tuple[StoredFile, ...]:
    with closing(notes):
        return upload.send(tar)
