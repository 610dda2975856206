"""Where a restore gets its set: found on the volume or in the bucket, opened, and proven once more before use."""

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Protocol, cast

from catalyx_dr.adapters import dump_files
from catalyx_dr.adapters.archives import unpack
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.adapters.volume_store import VolumeStore
from catalyx_dr.model.backup_set import DatabaseCapture, Manifest, StoredFile
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.operations.damage_marks import Marked

# Enough for an age header with hundreds of recipients.
_HEADER_BYTES = 65_536


class RestoreSource(Protocol):
    """Holds backup sets."""

    @property
    def place(self) -> str:
        """Where sets are looked for, for people."""

    @property
    def marks(self) -> Marked:
        """Where a damaged set is marked."""

    def captures(self) -> list[Capture]:
        """Sets that may be chosen."""

    def manifest(self, set_id: str) -> Manifest:
        """Manifest of one set."""

    def check_opens(self, manifest: Manifest) -> None:
        """Raise RefusedError or UnprovenError when the set cannot be opened."""

    def fetch(self, manifest: Manifest) -> Path:
        """Folder with the dumps of the set."""

    def release(self, manifest: Manifest) -> None:
        """Remove what `fetch` made."""


@dataclass(frozen=True)
class VolumeSource:
    """Sets on the backup volume, used where they lie."""

    store: VolumeStore

    @property
    def place(self) -> str:
        """The volume has no name here."""
        return "on the backup volume"

    @property
    def marks(self) -> Marked:
        """The volume itself."""
        return self.store

    def captures(self) -> list[Capture]:
        """Every folder of a set; one that is not whole, or was found damaged, is not proven."""
        return self.store.captures()

    def manifest(self, set_id: str) -> Manifest:
        """Manifest on the volume."""
        return self.store.manifest(set_id)

    def check_opens(self, manifest: Manifest) -> None:
        """Nothing on the volume is locked up."""

    def fetch(self, manifest: Manifest) -> Path:
        """The set's own folder."""
        return self.store.folder(manifest.set_id)

    def release(self, manifest: Manifest) -> None:
        """Nothing was made."""


@dataclass(frozen=True)
class BucketSource:
    """Sets in the bucket, decrypted into `scratch`."""

    sets: BucketSets
    identities: AgeIdentities = field(repr=False)
    scratch: Path

    @property
    def place(self) -> str:
        """Bucket and prefix, which depend on what the stack says."""
        return str(self.sets)

    @property
    def marks(self) -> Marked:
        """The bucket itself."""
        return self.sets

    def captures(self) -> list[Capture]:
        """Every set in the bucket; one that is not whole, or was found damaged, is not proven."""
        return self.sets.captures()

    def manifest(self, set_id: str) -> Manifest:
        """Manifest in the bucket."""
        return self.sets.manifest(set_id)

    def check_opens(self, manifest: Manifest) -> None:
        """Compare the recipients, and open the header of each segment with the identity."""
        self.identities.check_is_recipient(manifest.recipients, f"set {manifest.set_id}")
        for capture in manifest.databases:
            for segment in _segments(capture, manifest):
                key = self.sets.key(manifest.set_id, segment.path)
                self.identities.check_opens(BytesIO(self.sets.store.beginning(key, _HEADER_BYTES)), key)

    def fetch(self, manifest: Manifest) -> Path:
        """Download, decrypt and unpack both archives; what an earlier attempt left is replaced."""

        def opened(segment: StoredFile) -> IO[bytes]:
            return cast("IO[bytes]", self.sets.store.open(self.sets.key(manifest.set_id, segment.path)))

        store = VolumeStore(self.scratch, self.sets.spec)
        store.prepare()
        store.abandon(manifest.set_id)
        folder = store.begin(manifest.set_id)
        for capture in manifest.databases:
            unpack(_segments(capture, manifest), opened, self.identities, folder, capture.files)
        return folder

    def release(self, manifest: Manifest) -> None:
        """Remove the decrypted dumps."""
        VolumeStore(self.scratch, self.sets.spec).abandon(manifest.set_id)


def check_set(manifest: Manifest, folder: Path, jobs: int) -> None:
    """Hash every file; raises UnprovenError that names what is damaged.

    What has its hash was decoded to its last byte when the hash was written.
    """
    for capture in manifest.databases:
        dump_files.check_unchanged(folder, capture.role, capture.files, jobs)


def _segments(capture: DatabaseCapture, manifest: Manifest) -> tuple[StoredFile, ...]:
    if not capture.segments:
        raise UnprovenError(f"manifest of set {manifest.set_id} names no archive of the {capture.role} database")
    return capture.segments
