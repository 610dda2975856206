"""The files of a dump: measured, hashed, and compared with what a manifest says of them."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.errors import UnprovenError

ARCHIVE_SUFFIX = ".dump"
_SHOWN = 3


def measured(root: Path, below: str, threads: int) -> tuple[StoredFile, ...]:
    """Every file of the dump `root/below`, its path relative to `root`, hashed by several threads."""
    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(lambda path: described(root, path), files_of(root, below)))


def regular(path: Path) -> Path:
    """The path itself. Raises OSError when nothing is there, or a pipe or a device, which would never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return path


def files_of(root: Path, below: str) -> list[Path]:
    """Files of the dump: those of its folder, or the one archive that was streamed."""
    archive = archive_path(root, below)
    if archive.is_file():
        return [archive]
    return sorted(path for path in (root / below).rglob("*") if path.is_file())


def bytes_below(folder: Path) -> int:
    """Bytes of every file that is there at this moment; raises OSError when one goes meanwhile."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def archive_path(root: Path, below: str) -> Path:
    """Where a dump is that was streamed as one archive in pg_dump's custom format."""
    return root / f"{below}{ARCHIVE_SUFFIX}"


def dump_path(root: Path, below: str) -> Path:
    """Folder or archive of the dump, as pg_restore takes it."""
    archive = archive_path(root, below)
    return archive if archive.is_file() else root / below


def name_below(root: Path, path: Path) -> str:
    """The path below `root` as a manifest has it; what is no UTF-8 in it is escaped, since no record takes it."""
    return os.fsencode(path.relative_to(root).as_posix()).decode(errors="backslashreplace")


def described(root: Path, path: Path) -> StoredFile:
    """Size and hash of one file, its path relative to `root`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return StoredFile(path=name_below(root, path), bytes=path.stat().st_size, sha256=digest)


def check_unchanged(root: Path, below: str, expected: Iterable[StoredFile], threads: int) -> None:
    """Raise UnprovenError that names files which are missing, added or changed since the manifest was written."""
    wanted = {file.path: file for file in expected}
    found = {file.path: file for file in measured(root, below, threads)}
    faults = [f"{path} is missing" for path in sorted(wanted.keys() - found.keys())]
    faults += [f"{path} does not belong to it" for path in sorted(found.keys() - wanted.keys())]
    faults += [
        f"{path} has changed ({found[path].bytes} bytes, {wanted[path].bytes} expected)"
        for path in sorted(wanted.keys() & found.keys())
        if found[path] != wanted[path]
    ]
    if faults:
        more = f" and {len(faults) - _SHOWN} more faults" if len(faults) > _SHOWN else ""
        raise UnprovenError(f"{root / below} is not what its manifest says: {'; '.join(faults[:_SHOWN])}{more}")


def all_there(root: Path, expected: Iterable[StoredFile]) -> bool:
    """Tell whether every file is there in full, without reading any of them."""
    try:
        return all((root / file.path).stat().st_size == file.bytes for file in expected)
    except OSError:
        return False
