"""Exports a set to the bucket while it is still dumped and proven: both archives encrypted on the way."""

import concurrent.futures
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from catalyx_dr.adapters.archives import TarStream
from catalyx_dr.adapters.bucket_sets import BucketSets, archive_name
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.dump_proof import DumpProof
from catalyx_dr.adapters.encryption import encrypt
from catalyx_dr.adapters.multipart_upload import MultipartUpload
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.model.backup_set import Manifest, StoredFile
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import UnprovenError

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
        tar = TarStream(root, proof.proven_files())
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"export of {role}")
        self._sending = self._pool.submit(_send, bucket, set_id, role, tar, recipients, pace)

    def result(self) -> StoredFile:
        """Wait until the archive is there in full. Raises UnreachableError, RefusedError or UnprovenError."""
        return self._sending.result()

    def close(self) -> None:
        """Wait a little for the end of an export whose proof was given up."""
        self._pool.shutdown(wait=False)
        concurrent.futures.wait([self._sending], _PATIENCE.total_seconds())


def export(
    manifest: Manifest, folder: Path, bucket: BucketSets, recipients: Sequence[str], rate: int | None
) -> Manifest:
    """Store a proven set whose files are in `folder`, by `rate` bytes a second; returns the manifest as it is stored.

    Raises UnreachableError, RefusedError or UnprovenError, and then no manifest was written.
    """
    app, participant = (
        capture.model_copy(
            update={
                "object": _send(
                    bucket, manifest.set_id, capture.role, TarStream(folder, capture.files), recipients, Pace(rate)
                )
            }
        )
        for capture in manifest.databases
    )
    exported = manifest.model_copy(update={"databases": (app, participant), "recipients": tuple(recipients)})
    bucket.publish(exported)
    return exported


def _send(
    bucket: BucketSets, set_id: str, role: DatabaseRole, tar: TarStream, recipients: Sequence[str], pace: Pace
) -> StoredFile:
    key = bucket.archive_key(set_id, role)
    with bucket.store.writing(key, pace) as upload:
        encrypt(tar, upload, recipients)
    return stored_object(bucket.store, key, archive_name(role), upload)


def stored_object(store: BucketStore, key: str, name: str, upload: MultipartUpload) -> StoredFile:
    """Description of what was uploaded; raises UnprovenError when the store has another size."""
    there = store.size(key)
    if there != upload.bytes:
        raise UnprovenError(f"{key} in {store} has {there} bytes, {upload.bytes} were sent; run again")
    return StoredFile(path=name, bytes=upload.bytes, sha256=upload.sha256)
