"""The files of a dump: measured, hashed, and compared with what a manifest says of them."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.errors import UnprovenError

_SHOWN = 3


def measured(root: Path, below: str, threads: int) -> tuple[StoredFile, ...]:
    """Every file below `root/below`, its path relative to `root`, hashed by several threads."""
    paths = sorted(path for path in (root / below).rglob("*") if path.is_file())
    with ThreadPoolExecutor(threads) as pool:
        hashes = list(pool.map(_sha256, paths))
    return tuple(
        StoredFile(path=path.relative_to(root).as_posix(), bytes=path.stat().st_size, sha256=digest)
        for path, digest in zip(paths, hashes, strict=True)
    )


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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
