"""Exports a proven set to the bucket: both archives encrypted on the way, the manifest last."""

from collections.abc import Sequence
from pathlib import Path

from catalyx_dr.adapters.archives import packed, packed_bytes
from catalyx_dr.adapters.bucket_sets import BucketSets, archive_name
from catalyx_dr.model.backup_set import DatabaseCapture, Manifest
from catalyx_dr.model.errors import UnprovenError


def export(manifest: Manifest, folder: Path, bucket: BucketSets, recipients: Sequence[str]) -> Manifest:
    """Store the set whose files are in `folder`; returns the manifest as the bucket has it.

    Raises UnreachableError, RefusedError or UnprovenError, and then no manifest was written.
    """
    app, participant = (
        _exported(capture, manifest.set_id, folder, bucket, recipients) for capture in manifest.databases
    )
    exported = manifest.model_copy(update={"databases": (app, participant), "recipients": tuple(recipients)})
    bucket.publish(exported)
    return exported


def _exported(
    capture: DatabaseCapture, set_id: str, folder: Path, bucket: BucketSets, recipients: Sequence[str]
) -> DatabaseCapture:
    key = bucket.archive_key(set_id, capture.role)
    with packed(folder, capture.files, recipients) as archive:
        bucket.store.upload(key, archive, packed_bytes(capture.files))
        stored = archive.as_stored(archive_name(capture.role))
    there = bucket.store.size(key)
    if there != stored.bytes:
        raise UnprovenError(f"{key} in {bucket.store} has {there} bytes, {stored.bytes} were sent; run again")
    return capture.model_copy(update={"object": stored})
