"""Archives that leave the cluster: the tar of a dump, encrypted with age, streamed both ways without being stored."""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO

from catalyx_dr.adapters.encryption import AgeIdentities, encrypt
from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.errors import UnprovenError, UnreachableError

_BUFFER_BYTES = 1024 * 1024


class MeasuredReader(io.RawIOBase):
    """Counts and hashes what is read through it; fails at its end when what feeds it failed."""

    def __init__(self, source: IO[bytes], finish: Callable[[], None] = lambda: None) -> None:
        self._source = source
        self._finish = finish
        self._hash = hashlib.sha256()
        self.bytes = 0
        self.error: Exception | None = None

    def readable(self) -> bool:
        """Streams in one direction."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes; the end is only told when everything before it is known to be whole."""
        try:
            data = self._source.read(size)
        except Exception as error:
            self.error = error
            raise
        if size < 0 or len(data) < size:
            self._finish()
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


@contextmanager
def packed(root: Path, files: Iterable[StoredFile], recipients: Sequence[str]) -> Iterator[MeasuredReader]:
    """Stream of the encrypted tar of `files`, whose paths are relative to `root`."""
    members = list(files)
    tar = _Stage(lambda target: _write_tar(root, members, target))

    def encrypt_tar(target: IO[bytes]) -> None:
        # Closed however it ends: the first stage would wait for ever for a reader that has failed.
        with tar.output:
            encrypt(tar.output, target, recipients)

    age = _Stage(encrypt_tar)

    def finish() -> None:
        # The first stage's error is the cause of the second's, unless it only met the pipe that the second closed.
        try:
            tar.finish()
        except BrokenPipeError:
            age.finish()
            raise
        age.finish()

    try:
        yield MeasuredReader(age.output, finish)
    finally:
        age.close()
        tar.close()


def packed_bytes(files: Iterable[StoredFile]) -> int:
    """Upper estimate of the size of the archive of `files`, in bytes."""
    content = sum(2 * tarfile.BLOCKSIZE + file.bytes for file in files)
    return content + content // 1000 + tarfile.RECORDSIZE


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


def _write_tar(root: Path, files: list[StoredFile], target: IO[bytes]) -> None:
    with tarfile.open(fileobj=target, mode="w|", bufsize=_BUFFER_BYTES, format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            member = tarfile.TarInfo(file.path)
            member.size = file.bytes
            member.mode = 0o600
            with (root / file.path).open("rb") as content:
                tar.addfile(member, content)


def _read_tar(source: IO[bytes], root: Path, wanted: set[str], name: str) -> None:
    with tarfile.open(fileobj=source, mode="r|", bufsize=_BUFFER_BYTES) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or member.name not in wanted:
                raise UnprovenError(f"{name} holds {member.name!r}, which its manifest does not name")
            path = root / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                while block := content.read(_BUFFER_BYTES):
                    file.write(block)
