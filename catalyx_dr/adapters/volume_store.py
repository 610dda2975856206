"""Backup sets on the backup volume: written in flight, published by renaming, locked against a second run."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from catalyx_dr.adapters import dump_files
from catalyx_dr.model.backup_set import MANIFEST_NAME, Manifest
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.capture_id import is_capture_id
from catalyx_dr.model.damage import DAMAGE_NAME, Damage
from catalyx_dr.model.errors import CatalyxDrError, MissingError, RefusedError, UnprovenError
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.ownership import capture_of, stranger

_SETS = "sets"
_IN_FLIGHT = "in-flight"
_LOCK = ".lock"
# Beyond a million tables; a sparse file may be larger than the memory of a pod.
_LARGEST_MANIFEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class VolumeStore:
    """Sets of one validator below `root`, one folder each.

    A set exists when its folder is in `sets`; everything else is in flight.
    """

    root: Path
    spec: ValidatorSpec

    def prepare(self) -> None:
        """Make the folders; raises RefusedError when the volume is not mounted or not writable."""
        try:
            self.sets_folder.mkdir(parents=True, exist_ok=True)
            self._in_flight.mkdir(exist_ok=True)
        except OSError as error:
            raise RefusedError(
                f"backup volume {self.root} cannot be used: {error.strerror}; check that the claim is mounted there "
                "and writable for the job's user"
            ) from None

    @property
    def sets_folder(self) -> Path:
        """Where published sets are."""
        return self.root / _SETS

    @property
    def _in_flight(self) -> Path:
        return self.root / _IN_FLIGHT

    def free_bytes(self) -> int:
        """Bytes that may still be written."""
        return shutil.disk_usage(self.root).free

    def clean(self) -> tuple[list[str], list[str]]:
        """Remove what killed runs left; only to be called under the lock.

        Returns the names of what is removed, and, in words, what cannot be: no backup fails for it.
        """
        removed, faults = [], []
        for path in sorted(self._in_flight.iterdir()):
            try:
                _remove(path)
            except OSError as error:
                faults.append(f"{path} takes room and cannot be removed ({error.strerror}); remove it by hand")
            else:
                removed.append(path.name)
        return removed, faults

    def begin(self, set_id: str) -> Path:
        """New empty folder for a set in flight; raises RefusedError when the id is taken."""
        if self.folder(set_id).exists():
            raise RefusedError(f"backup set {set_id} exists already on {self.root}; run again in a second")
        folder = self._in_flight / set_id
        folder.mkdir()
        return folder

    def publish(self, manifest: Manifest) -> None:
        """Make the set in flight exist: everything on disk first, the manifest last, then one rename.

        Notes of what is being sent to a bucket meanwhile may be lost.
        """
        folder = self._in_flight / manifest.set_id
        _write_synced(folder / MANIFEST_NAME, manifest.written)
        for dump in (folder / capture.role for capture in manifest.databases):
            for path in (dump, *dump.rglob("*")):
                _sync(path)
        _sync(folder)
        folder.rename(self.folder(manifest.set_id))
        _sync(self.sets_folder)

    def abandon(self, set_id: str) -> None:
        """Remove a set in flight; nothing happens when there is none."""
        shutil.rmtree(self._in_flight / set_id, ignore_errors=True)

    def folder(self, set_id: str) -> Path:
        """Folder of a published set."""
        return self.sets_folder / set_id

    def set_ids(self) -> list[str]:
        """Ids of all folders of sets, newest first, whether their manifests can be read or not."""
        if not self.sets_folder.is_dir():
            return []
        return sorted((path.name for path in self.sets_folder.iterdir() if is_capture_id(path.name)), reverse=True)

    def published(self) -> list[Manifest]:
        """Manifests of all own sets, newest first; what is marked as damaged or illegible is no set."""
        return [one for one in self._readable() if not stranger(self.spec, one) and not self.is_damaged(one.set_id)]

    def captures(self) -> list[Capture]:
        """Every folder of a set; one that is not published, or lacks a file or a part of one, is not proven."""
        readable = {manifest.set_id: manifest for manifest in self._readable()}
        return [
            self._capture(readable[name]) if name in readable else Capture.named(name, proven=False)
            for name in self.set_ids()
        ]

    def _readable(self) -> Iterator[Manifest]:
        for name in self.set_ids():
            with suppress(MissingError, UnprovenError):
                yield self.manifest(name)

    def _capture(self, manifest: Manifest) -> Capture:
        whose, files = stranger(self.spec, manifest), (file for one in manifest.databases for file in one.files)
        proven = (
            not whose
            and not self.is_damaged(manifest.set_id)
            and dump_files.all_there(self.folder(manifest.set_id), files)
        )
        return capture_of(manifest, whose, proven=proven)

    def is_damaged(self, set_id: str) -> bool:
        """Tell whether a verification marked the set."""
        return os.path.lexists(self.folder(set_id) / DAMAGE_NAME)

    def condemn(self, damage: Damage) -> None:
        """Mark a set; one that is gone meanwhile needs no mark."""
        with suppress(FileNotFoundError):
            _write_synced(self.folder(damage.capture_id) / DAMAGE_NAME, damage.model_dump_json(indent=2).encode())

    def acquit(self, sound: Damage) -> None:
        """Take the mark away."""
        with suppress(FileNotFoundError):
            _remove(self.folder(sound.capture_id) / DAMAGE_NAME)

    def manifest(self, set_id: str) -> Manifest:
        """Manifest of a set; raises MissingError, or UnprovenError when it is damaged."""
        path = self.folder(set_id) / MANIFEST_NAME
        try:
            with dump_files.regular(path).open("rb") as file:
                found = Manifest.read(file.read(_LARGEST_MANIFEST))
        except FileNotFoundError:
            raise MissingError(f"there is no backup set {set_id} on {self.root}; {self._choice()}") from None
        except OSError as error:
            raise UnprovenError(
                f"manifest of backup set {set_id} on {self.root} cannot be read: {error.strerror}; {self._choice()}"
            ) from None
        except ValueError:
            raise UnprovenError(
                f"manifest of backup set {set_id} on {self.root} is damaged; {self._choice()}"
            ) from None
        if found.set_id != set_id:
            raise UnprovenError(f"folder {set_id} on {self.root} holds the manifest of {found.set_id}")
        return found

    def remove(self, set_id: str) -> bool:
        """Remove a set: unpublished by one rename, so that a killed removal leaves nothing that looks like a set.

        Always true: no lock holds what is on a volume.
        """
        doomed = self._in_flight / f"removing-{set_id}"
        with suppress(FileNotFoundError):
            self.folder(set_id).rename(doomed)
            _remove(doomed)
        return True

    def _choice(self) -> str:
        return f"found: {', '.join(self.set_ids()[:10]) or 'none'}"


def _remove(path: Path) -> None:
    """Remove a folder, or whatever has come in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`; raises RefusedError at once when another run holds it. Freed when a run dies."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise RefusedError(
            f"{folder} cannot be locked: {error.strerror}; check that it is mounted and writable"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RefusedError(
            f"another backup or restore of this validator is running (it holds {folder / _LOCK}); wait until it ends"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def disk_explained(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into errors that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CatalyxDrError(f"{folder} is full; enlarge the volume or keep fewer backup sets") from None
        raise CatalyxDrError(f"{error.filename or folder}: {error.strerror or type(error).__name__}") from None


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
