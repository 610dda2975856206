"""PostgreSQL's own dump and restore programs, of the server's major version."""

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event

from catalyx_dr.adapters.postgres import SESSION_SETTINGS, PostgresServer, ServerVersion
from catalyx_dr.adapters.programs import Program, client_environment, running
from catalyx_dr.adapters.table_of_contents import TableOfContents
from catalyx_dr.model.errors import CatalyxDrError, RefusedError

# Where Debian and Red Hat put the programs of each major version.
_FOLDERS = ("/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin")
_ZSTD_SINCE = 16
_LOCK_WAIT = "5min"
_POLL_SECONDS = 0.1
# What pg_dump says next when it has locked every table.
_LOCKED = "reading user-defined functions"
# What pg_dump says when it has made the file of a table, before the first row.
_BEGUN = "dumping contents of table "
# What pg_dump says when a worker has written and closed the file of a table.
_FINISHED = re.compile(r"finished item (\d+) TABLE DATA ")
_WARNING = re.compile(r"pg_restore: WARNING:  (.*)")
# For a database that nobody uses yet: lost with the server's last moments, it would be loaded again. The memory is for
# sorting while indexes are built.
_LOAD_SETTINGS = (
    f"{SESSION_SETTINGS} -c synchronous_commit=off -c maintenance_work_mem=128MB -c max_parallel_maintenance_workers=1"
)


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
        self,
        server: PostgresServer,
        database: str,
        snapshot: str,
        target: Path,
        *,
        jobs: int,
        level: int,
        begun: Callable[[], None] = lambda: None,
        finished: Callable[[Path], None] = lambda path: None,
    ) -> Iterator[None]:
        """Dump into the new folder `target` while the block runs; after the block the dump is complete.

        The block begins when every table is locked.

        `begun` is called when there is the file of one more table, `finished` is told of such a file when that will
        not change any more (only of parallel dumps); both in another thread. Nothing is synced to disk: whoever
        publishes does that. Raises CatalyxDrError with pg_dump's last words.
        """

        locked = Event()

        def listen(line: str) -> None:
            if _LOCKED in line:
                locked.set()
            elif found := _FINISHED.search(line):
                finished(target / f"{found[1]}.dat{self._suffix}")
            elif _BEGUN in line:
                begun()

        arguments = [
            "--format=directory",
            f"--file={target}",
            f"--jobs={jobs}",
            "--no-sync",
            *self._dump_arguments(server, database, snapshot, level),
        ]
        purpose = f"dump of {database!r}"
        with (
            self._password_file(server) as environment,
            running([self.folder / "pg_dump", *arguments], purpose, environment, listen) as dump,
        ):
            _wait_for_locks(dump, locked)
            yield

    @contextmanager
    def streaming(self, server: PostgresServer, database: str, snapshot: str, *, level: int) -> Iterator[Program]:
        """Dump as one archive in pg_dump's custom format, which the block reads from the program's output.

        The block begins when every table is locked.
        """
        locked = Event()

        def listen(line: str) -> None:
            if _LOCKED in line:
                locked.set()

        arguments = ["--format=custom", *self._dump_arguments(server, database, snapshot, level)]
        with (
            self._password_file(server) as environment,
            running(
                [self.folder / "pg_dump", *arguments], f"dump of {database!r}", environment, listen, feeds=True
            ) as dump,
        ):
            _wait_for_locks(dump, locked)
            yield dump

    @contextmanager
    def decoding_stream(self, database: str) -> Iterator[Program]:
        """Decode an archive that the block writes to the program's input, into SQL that it reads from its output.

        Only data, with a comment on each table that names its OID.
        """
        command: list[str | Path] = [self.folder / "pg_restore", "--data-only", "--verbose", "--file=-"]
        with running(command, f"decode check of {database!r}", feeds=True, fed=True) as check:
            yield check

    def contents(self, dump: Path) -> TableOfContents:
        """What the dump says of itself."""
        return TableOfContents(self.folder / "pg_restore", archive_of(dump), self.passwords)

    def decode_archive(self, dump: Path) -> None:
        """Decode a dump that is one archive to its last byte; raises CatalyxDrError when it is damaged."""
        command: list[str | Path] = [self.folder / "pg_restore", "--file=/dev/null", archive_of(dump)]
        with running(command, f"decode check of {dump.name}"):
            pass

    def load(
        self,
        server: PostgresServer,
        database: str,
        dump: Path,
        *,
        jobs: int = 1,
        role: str | None = None,
        owners: bool = True,
        rows: bool = True,
        warned: Callable[[str], None] = lambda warning: None,
    ) -> None:
        """Load a dump into an empty database; ends at the first error. `warned` gets the server's warnings.

        Owners and grants are as they were, or left out where the server knows no such roles (`owners`). `role`: whose
        rights are used, the user's own when left out. Materialized views are filled last; one that cannot be filled
        stays empty, and `warned` hears of it.
        """
        contents = self.contents(dump)
        rights = [*([f"--role={role}"] if role else []), *([] if owners else ["--no-owner", "--no-privileges"])]
        with contents.only(contents.rest) as rest:
            for extent in _extents(contents, rows=rows):
                self._restore(server, database, dump, [*rights, rest, f"--jobs={jobs}", *extent], warned)
        for entry, view in contents.views.items() if rows else ():
            try:
                with contents.only([entry]) as only:
                    self._restore(server, database, dump, [*rights, only], warned)
            except CatalyxDrError as error:
                warned(f"materialized view {view} stays empty: {error}; REFRESH it when that is mended")

    def _restore(
        self,
        server: PostgresServer,
        database: str,
        dump: Path,
        options: Iterable[str],
        warned: Callable[[str], None],
    ) -> None:
        def listen(line: str) -> None:
            if found := _WARNING.match(line):
                warned(found[1])

        arguments = [
            f"--dbname={server.conninfo(database)}",
            "--exit-on-error",
            "--verbose",
            "--no-subscriptions",
            "--no-password",
            *options,
        ]
        with (
            self._password_file(server) as environment,
            running(
                [self.folder / "pg_restore", *arguments, archive_of(dump)],
                f"load of {database!r}",
                {**environment, "PGOPTIONS": _LOAD_SETTINGS},
                listen,
            ),
        ):
            pass

    def _dump_arguments(self, server: PostgresServer, database: str, snapshot: str, level: int) -> list[str]:
        """`level` is zstd's; a client without zstd takes gzip's fastest, since gzip's default costs many times more."""
        return [
            f"--compress={f'zstd:{level}' if self._has_zstd else '1'}",
            f"--snapshot={snapshot}",
            "--verbose",
            f"--lock-wait-timeout={_LOCK_WAIT}",
            "--no-password",
            f"--dbname={server.conninfo(database)}",
        ]

    @property
    def _suffix(self) -> str:
        return ".zst" if self._has_zstd else ".gz"

    @cached_property
    def _has_zstd(self) -> bool:
        if self.major < _ZSTD_SINCE:
            return False
        # Builds differ; the program looks at its compression before it looks for the server, which is none.
        probe = [str(self.folder / "pg_dump"), "--compress=zstd", "--file=/dev/null", "--dbname=host=/nonexistent"]
        answer = subprocess.run(probe, capture_output=True, text=True, check=False, env=client_environment())  # noqa: S603
        return "compression" not in answer.stderr

    @contextmanager
    def _password_file(self, server: PostgresServer) -> Iterator[Mapping[str, str]]:
        path = self.passwords / f"pgpass-{os.getpid()}-{os.urandom(4).hex()}"
        escaped = server.password.replace("\\", "\\\\").replace(":", "\\:")
        with open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(f"*:*:*:*:{escaped}\n")
        try:
            yield {"PGPASSFILE": str(path), "PGOPTIONS": SESSION_SETTINGS}
        finally:
            path.unlink(missing_ok=True)


def _extents(contents: TableOfContents, *, rows: bool) -> list[list[str]]:
    """What to load one after the other.

    In parallel, pg_restore makes triggers and constraints of a partitioned table without waiting for the rows of its
    partitions (seen with 14 and 18): a trigger would change them while they are loaded, which no count shows.
    """
    if not rows:
        return [["--schema-only"]]
    return [["--section=pre-data", "--section=data"], ["--section=post-data"]] if contents.has_partitions else [[]]


def _wait_for_locks(dump: Program, locked: Event) -> None:
    while not locked.wait(_POLL_SECONDS):
        if dump.has_ended():
            try:
                dump.finish()
            except CatalyxDrError as error:
                # pg_dump has no other limit of time.
                held = f"; somebody holds a table for longer than {_LOCK_WAIT}: see pg_locks"
                raise CatalyxDrError(f"{error}{held if 'statement timeout' in str(error) else ''}") from None
            return  # it locked all, whatever it calls that


def archive_of(dump: Path) -> Path:
    """What pg_restore reads in the folder of a dump: the folder itself, or the only file, which others made."""
    files = list(dump.iterdir()) if dump.is_dir() and not (dump / "toc.dat").exists() else []
    return files[0] if len(files) == 1 else dump


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
        f"(found: {there}); use an agent image with postgresql-client-{version.major}, "
        "by POSTGRESQL_MAJORS of its Containerfile"
    )


def _installed(major: int, passwords: Path) -> Iterator[PostgresClient]:
    on_path = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for folder in (*(Path(folder.format(major=major)) for folder in _FOLDERS), *on_path):
        if (folder / "pg_dump").exists() and (folder / "pg_restore").exists():
            answer = subprocess.run(  # noqa: S603
                [folder / "pg_dump", "--version"], capture_output=True, text=True, check=False, env=client_environment()
            )
            match = re.search(r"\d+(\.\d+)?", answer.stdout)
            if match:
                yield PostgresClient(folder, match[0], passwords)
