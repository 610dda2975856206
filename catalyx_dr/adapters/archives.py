"""Archives that leave the cluster: the tar of a dump, or a dump that is one archive itself.

They are cut into segments, each encrypted with age on its own, and streamed both ways without being stored.
"""

import io
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import IO, Any

from catalyx_dr.adapters.dump_files import ARCHIVE_SUFFIX
from catalyx_dr.adapters.encryption import AgeIdentities, Readable
from catalyx_dr.adapters.measure import Measure
from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.errors import UnprovenError, UnreachableError

# Of the archive, before it is encrypted: what is sent once more after a kill. On ext4, versitygw can make no object of
# 4 GiB: it keeps the sizes of all parts in one attribute of a file (seen with 1.8: 800 parts, but not 840).
SEGMENT_BYTES = 1024**3
_BUFFER_BYTES = 1024 * 1024


class MeasuredReader(io.RawIOBase):
    """Measures what is read through it, and keeps the error that it met."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.measure = Measure()
        self.error: Exception | None = None

    def readable(self) -> bool:
        """Streams in one direction."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read up to as many bytes as there is room for."""
        block = memoryview(buffer)
        try:
            data = self._source.read(len(block))
        except Exception as error:
            self.error = error
            raise
        self.measure.add(data)
        block[: len(data)] = data
        return len(data)


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


def segment_name(archive: str, number: int) -> str:
    """Name of one encrypted segment of an archive; they are counted from 1."""
    return f"{archive}.{number:04}.age"


class _Segment:
    def __init__(self, beginning: bytes, source: Readable) -> None:
        self._beginning, self._source = io.BytesIO(beginning), source
        self._left = SEGMENT_BYTES - len(beginning)

    def read(self, size: int = -1, /) -> bytes:
        if data := self._beginning.read(size):
            return data
        wanted = min(size, self._left) if size >= 0 else self._left
        data = self._source.read(wanted) if wanted else b""
        self._left -= len(data)
        return data


def segments(archive: Readable) -> Iterator[Readable]:
    """The archive in segments of SEGMENT_BYTES, each to be read to its end before the next is asked for."""
    while beginning := archive.read(min(_BUFFER_BYTES, SEGMENT_BYTES)):
        yield _Segment(beginning, archive)


def unpack(
    stored: Sequence[StoredFile],
    opened: Callable[[StoredFile], IO[bytes]],
    identities: AgeIdentities,
    root: Path,
    files: Iterable[StoredFile],
) -> None:
    """Decrypt an archive into `root`: exactly the files that the manifest names, and no other.

    `stored`: its segments in their order; `opened`: the object of each, which is closed after it was read. Raises
    RefusedError for a wrong identity, UnprovenError for a segment that is damaged or not the manifest's.
    """
    archive = stored[0].path.rsplit(".", 2)[0]
    decrypted = _Stage(lambda target: _decrypt(stored, opened, identities, target))
    fault: Exception | None = None
    try:
        try:
            if archive.endswith(ARCHIVE_SUFFIX):
                _write(decrypted.output, root / archive)
            else:
                _read_tar(decrypted.output, root, {file.path for file in files}, archive)
        except (tarfile.TarError, EOFError, UnprovenError) as error:
            fault = error
        while decrypted.output.read(_BUFFER_BYTES):
            pass
        # A cut or damaged segment also ends the tar early; decryption knows the cause, and its error goes first.
        decrypted.finish()
    finally:
        decrypted.close()
    if fault is not None:
        raise UnprovenError(f"{archive} is damaged or no archive of a dump: {fault}")


def _decrypt(
    stored: Sequence[StoredFile],
    opened: Callable[[StoredFile], IO[bytes]],
    identities: AgeIdentities,
    target: IO[bytes],
) -> None:
    for segment in stored:
        with closing(opened(segment)) as body:
            measured = MeasuredReader(body)
            try:
                # age asks for 8 KiB at a time.
                identities.decrypt(io.BufferedReader(measured, _BUFFER_BYTES), target, segment.path)
            except UnprovenError:
                if measured.error is None:
                    raise
                raise UnreachableError(f"{segment.path} could not be read to its end: {measured.error}") from None
        if difference := measured.measure.differs_from(segment):
            raise UnprovenError(f"{segment.path} is not what its manifest says: it {difference}")


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
