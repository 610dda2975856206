"""PostgreSQL's own dump and restore programs, of the server's major version."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from catalyx_dr.adapters.postgres import PostgresServer, ServerVersion
from catalyx_dr.model.errors import CatalyxDrError, RefusedError

# Where Debian and Red Hat put the programs of each major version.
_FOLDERS = ("/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin")
_ZSTD_SINCE = 16
_LOCK_WAIT = "5min"
_KEPT_ERROR_LINES = 4
_BATCH = 1000


@dataclass(frozen=True)
class PostgresClient:
    """pg_dump and pg_restore of one version; `passwords` is a folder for short-lived password files."""

    folder: Path
    version: str
    passwords: Path

    @property
    def major(self) -> int:
        """Major version of the programs."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]

    @contextmanager
    def dumping(
        self, server: PostgresServer, database: str, snapshot: str, target: Path, *, jobs: int, level: int
    ) -> Iterator[None]:
        """Dump into the new folder `target` while the block runs; after the block the dump is complete and on disk.

        `level` is zstd's; a client without zstd (before PostgreSQL 16) takes gzip's fastest level instead, since gzip's
        default costs four times the CPU time of the dump itself. Raises CatalyxDrError with pg_dump's last words.
        """
        arguments = [
            "--format=directory",
            f"--file={target}",
            f"--jobs={jobs}",
            f"--compress={f'zstd:{level}' if self._has_zstd else '1'}",
            f"--snapshot={snapshot}",
            f"--lock-wait-timeout={_LOCK_WAIT}",
            "--no-password",
            f"--dbname={server.conninfo(database)}",
        ]
        with (
            self._password_file(server) as environment,
            _running(self.folder / "pg_dump", arguments, f"dump of {database!r}", environment),
        ):
            yield

    @contextmanager
    def decoding(self, dump: Path) -> Iterator[None]:
        """Decode a dump to its last byte while the block runs; raises CatalyxDrError when it is damaged.

        pg_restore takes the early end of a zstd file for its end (measured with 17.12): zstd itself looks too.
        """
        purpose = f"decode check of {dump.name}"
        compressed = sorted(str(path) for path in dump.rglob("*.zst"))
        with ExitStack() as checks:
            arguments = ["--file=/dev/null", str(archive_of(dump))]
            checks.enter_context(_running(self.folder / "pg_restore", arguments, purpose))
            for batch in (compressed[at : at + _BATCH] for at in range(0, len(compressed), _BATCH)):
                checks.enter_context(_running(Path(_zstd() or "zstd"), ["--test", "--quiet", "--", *batch], purpose))
            yield

    def load(self, server: PostgresServer, database: str, dump: Path, *, jobs: int, owners: bool = True) -> None:
        """Load a dump into an empty database; ends at the first error.

        Owners and grants are as they were, or left out where the server knows no such roles (`owners`).
        """
        arguments = [
            f"--dbname={server.conninfo(database)}",
            f"--jobs={jobs}",
            "--exit-on-error",
            "--no-subscriptions",
            "--no-password",
            *(() if owners else ("--no-owner", "--no-privileges")),
            str(archive_of(dump)),
        ]
        with (
            self._password_file(server) as environment,
            _running(self.folder / "pg_restore", arguments, f"load of {database!r}", environment),
        ):
            pass

    @cached_property
    def _has_zstd(self) -> bool:
        if self.major < _ZSTD_SINCE or _zstd() is None:
            return False
        # Builds differ; the program looks at its compression before it looks for the server, which is none.
        probe = [str(self.folder / "pg_dump"), "--compress=zstd", "--file=/dev/null", "--dbname=host=/nonexistent"]
        answer = subprocess.run(probe, capture_output=True, text=True, check=False, env=client_environment())  # noqa: S603
        return "compression" not in answer.stderr

    @contextmanager
    def _password_file(self, server: PostgresServer) -> Iterator[Mapping[str, str]]:
        path = self.passwords / f"pgpass-{os.getpid()}-{id(server)}"
        escaped = server.password.replace("\\", "\\\\").replace(":", "\\:")
        path.unlink(missing_ok=True)
        with open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(f"*:*:*:*:{escaped}\n")
        try:
            yield {"PGPASSFILE": str(path)}
        finally:
            path.unlink(missing_ok=True)


def archive_of(dump: Path) -> Path:
    """What pg_restore reads in the folder of a dump: the folder itself, or the only file, which others made."""
    files = list(dump.iterdir()) if dump.is_dir() and not (dump / "toc.dat").exists() else []
    return files[0] if len(files) == 1 else dump


@contextmanager
def _running(
    program: Path, arguments: Sequence[str], purpose: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a program while the block runs; it is ended when the block fails."""
    with subprocess.Popen(  # noqa: S603
        [program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=client_environment() | dict(environment or {}),
    ) as process:
        try:
            yield
            _, errors = process.communicate()
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise CatalyxDrError(f"{purpose} failed: {program.name} says: {last_words(errors)}")


def client_for(version: ServerVersion, passwords: Path) -> PostgresClient:
    """Programs of the server's own major version; raises RefusedError when they are missing.

    An older client cannot read the server, and what a newer one writes may not load into this server again
    (`transaction_timeout`, domain 4).
    """
    found = list(_installed(version.major, passwords))
    for client in found:
        if client.major == version.major:
            return client
    there = ", ".join(sorted({client.version for client in found})) or "none"
    raise RefusedError(
        f"the server is PostgreSQL {version}, and pg_dump and pg_restore {version.major} are not installed here "
        f"(found: {there}); use an agent image with postgresql-client-{version.major}"
    )


def _installed(major: int, passwords: Path) -> Iterator[PostgresClient]:
    on_path = shutil.which("pg_dump")
    folders = [Path(folder.format(major=major)) for folder in _FOLDERS]
    for folder in (*folders, *([Path(on_path).parent] if on_path else [])):
        if (folder / "pg_dump").exists() and (folder / "pg_restore").exists():
            answer = subprocess.run(  # noqa: S603
                [folder / "pg_dump", "--version"], capture_output=True, text=True, check=False, env=client_environment()
            )
            match = re.search(r"\d+(\.\d+)?", answer.stdout)
            if match:
                yield PostgresClient(folder, match[0], passwords)


def _zstd() -> str | None:
    """The zstd program: without it, what pg_dump compresses with zstd could not be proven."""
    return shutil.which("zstd")


def client_environment() -> dict[str, str]:
    """What a child needs: nothing that redirects libpq, messages in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def last_words(errors: str) -> str:
    """The telling end of what a program wrote, without statements or rows."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    # `detail:` and `command was:` lines may quote statements or rows.
    telling = [line for line in lines if ": error:" in line or ": fatal:" in line.lower()] or lines
    return " / ".join(telling[-_KEPT_ERROR_LINES:]) or "nothing"
