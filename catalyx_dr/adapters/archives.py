"""Archives that leave the cluster: the tar of a dump, or a dump that is one archive itself, encrypted with age.

They are streamed both ways without being stored.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Thread
from typing import IO

from catalyx_dr.adapters.dump_files import ARCHIVE_SUFFIX
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.errors import UnprovenError, UnreachableError

ENCRYPTED_SUFFIX = ".age"
_BUFFER_BYTES = 1024 * 1024


class MeasuredReader(io.RawIOBase):
    """Counts and hashes what is read through it, and keeps the error that it met."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.bytes = 0
        self.error: Exception | None = None

    def readable(self) -> bool:
        """Streams in one direction."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes."""
        try:
            data = self._source.read(size)
        except Exception as error:
            self.error = error
            raise
        self._hash.update(data)
        self.bytes += len(data)
        return data

    def as_stored(self, path: str) -> StoredFile:
        """Description of what was read."""
        return StoredFile(path=path, bytes=self.bytes, sha256=self._hash.hexdigest())


class _Stage:
    """One thread of a pipeline: reads a source, writes a pipe, keeps its error for whoever reads the end."""

    def __init__(self, work: Callable[[IO[bytes]], None]) -> None:
        reading, writing = os.pipe()
        self.output = os.fdopen(reading, "rb", buffering=_BUFFER_BYTES)
        self._target = os.fdopen(writing, "wb", buffering=_BUFFER_BYTES)
        self._work = work
        self.error: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._target:
                self._work(self._target)
        except BaseException as error:
            self.error = error  # raised by `finish` in the thread that reads

    def finish(self) -> None:
        """Raise the stage's error; called when its output has ended."""
        self._thread.join()
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Stop: a stage that still writes meets a closed pipe."""
        self.output.close()
        self._thread.join()


class TarStream:
    """The tar of files as they come, to be read once; their paths are relative to `root`, which may be renamed."""

    def __init__(self, root: Path, files: Iterable[StoredFile]) -> None:
        self._blocks = _tar_blocks(os.open(root, os.O_RDONLY | os.O_DIRECTORY), files)
        self._left = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes; no bytes at the end alone."""
        while not self._left and (block := next(self._blocks, None)) is not None:
            self._left = memoryview(block)
        taken, self._left = (self._left[:size], self._left[size:]) if size >= 0 else (self._left, memoryview(b""))
        return bytes(taken)


def _tar_blocks(folder: int, files: Iterable[StoredFile]) -> Iterator[bytes]:
    """Blocks of the tar; closes `folder`, the descriptor that the files are below."""
    try:
        for file in files:
            member = tarfile.TarInfo(file.path)
            member.size = file.bytes
            member.mode = 0o600
            yield member.tobuf(tarfile.PAX_FORMAT)
            yield from _content(folder, file)
            yield bytes(-file.bytes % tarfile.BLOCKSIZE)
        yield bytes(2 * tarfile.BLOCKSIZE)
    finally:
        os.close(folder)


def _content(folder: int, file: StoredFile) -> Iterator[bytes]:
    left = file.bytes
    with open(file.path, "rb", opener=lambda path, flags: os.open(path, flags, dir_fd=folder)) as content:
        while block := content.read(min(_BUFFER_BYTES, left)):
            left -= len(block)
            yield block
    if left:
        raise UnprovenError(f"{file.path} became shorter while it was packed; run again")


def unpack(
    source: IO[bytes], archive: StoredFile, identities: AgeIdentities, root: Path, files: Iterable[StoredFile]
) -> None:
    """Decrypt an archive into `root`: exactly the files that the manifest names, and no other.

    Raises RefusedError for a wrong identity, UnprovenError for an archive that is damaged or not the manifest's.
    """
    wanted = {file.path for file in files}
    measured = MeasuredReader(source)
    decrypted = _Stage(lambda target: identities.decrypt(measured, target, archive.path))  # type: ignore[arg-type]
    try:
        try:
            if archive.path.endswith(f"{ARCHIVE_SUFFIX}{ENCRYPTED_SUFFIX}"):
                _write(decrypted.output, root / archive.path.removesuffix(ENCRYPTED_SUFFIX))
            else:
                _read_tar(decrypted.output, root, wanted, archive.path)
        finally:
            while decrypted.output.read(_BUFFER_BYTES):
                pass
            # A cut or damaged archive also ends the tar early; decryption knows the cause, and its error goes first.
            decrypted.finish()
    except (tarfile.TarError, EOFError, UnprovenError) as error:
        if measured.error is not None:
            raise UnreachableError(f"{archive.path} could not be read to its end: {measured.error}") from None
        raise UnprovenError(f"{archive.path} is damaged or no archive of a dump: {error}") from None
    finally:
        decrypted.close()
    if measured.as_stored(archive.path) != archive:
        raise UnprovenError(f"{archive.path} is not what its manifest says: its size or SHA-256 differs")


def _read_tar(source: IO[bytes], root: Path, wanted: set[str], name: str) -> None:
    with tarfile.open(fileobj=source, mode="r|", bufsize=_BUFFER_BYTES) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or member.name not in wanted:
                raise UnprovenError(f"{name} holds {member.name!r}, which its manifest does not name")
            _write(content, root / member.name)


def _write(content: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        while block := content.read(_BUFFER_BYTES):
            file.write(block)
