"""The cache folder: everything heavy lives there, keyed by version and by a hash of its recipe."""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SHARED = Path("/var/tmp/catalyx-dr")
PROJECT_ROOT = Path(__file__).resolve().parent.parent


def cache_folder(*parts: str) -> Path:
    """A folder of the cache, made when it is missing: $CATALYX_DR_CACHE, else ~/.cache/catalyx-dr."""
    root = os.environ.get("CATALYX_DR_CACHE")
    folder = (Path(root) if root else Path.home() / ".cache" / "catalyx-dr").resolve().joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def shared_folder(*parts: str) -> Path:
    """A folder that other accounts may enter, made when it is missing: root's cache lies where only root can.

    PostgreSQL refuses to run as root, so that its programs and data must be elsewhere then.
    """
    if os.geteuid() != 0:
        return cache_folder(*parts)
    folder = _SHARED.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def content_key(values: Iterable[str], files: Iterable[tuple[str, Path]] = ()) -> str:
    """Twelve hexadecimal digits that change with any value, file name, file content or execute permission."""
    digest = hashlib.sha256()
    for value in values:
        digest.update(f"value {len(value)} {value}\n".encode())
    for name, path in sorted(files):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"file {name} {bool(path.stat().st_mode & 0o100)} {content}\n".encode())
    return digest.hexdigest()[:12]


def files_below(folder: Path, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Each file of a source folder with its name in it, without what Python and the tools leave behind."""
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
            yield f"{prefix}{path.relative_to(folder)}", path


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Hold the machine-wide lock `name`, so that one process does the work; wait for it, and say so.

    The lock is an open file, so it ends with the process that holds it, however that one ends.
    """
    path = cache_folder("locks") / name
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            print(f"waiting for process {lock.read().strip() or '?'}, which holds {path}", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield
