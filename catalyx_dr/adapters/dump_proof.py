"""Proves a dump while it is still written: each file is decoded, counted and hashed as it grows, then passed on."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock

from catalyx_dr.adapters.dump_files import dump_path, files_of
from catalyx_dr.adapters.growing_file import GrowingFile
from catalyx_dr.adapters.postgres_client import PostgresClient
from catalyx_dr.adapters.row_counting import rows_in
from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.errors import CatalyxDrError, UnprovenError

_SHOWN = 3
# Written last, when the dump is complete.
_CONTENTS = "toc.dat"


class DumpProof:
    """The proof of the dump in `root/name`, which `threads` processes write. Closed by whoever made it."""

    def __init__(self, root: Path, name: str, threads: int) -> None:
        self._root = root
        self._name = name
        self._one_at_a_time = threads == 1
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"proof of {name}")
        self._lock = Lock()
        self._begun: dict[Path, Future[None]] = {}
        self._finished: dict[Path, Event] = {}
        self._rows: dict[str, int | None] = {}
        self._files: list[StoredFile] = []
        self._proven: SimpleQueue[StoredFile | None] = SimpleQueue()
        self._closed = False

    def table_begun(self) -> None:
        """Begin to prove the files of tables that are written now."""
        if self._one_at_a_time:
            self._all_begun_are_finished()
        for path in (self._root / self._name).glob("*.dat*"):
            if path.name != _CONTENTS:
                self._prove_while_written(path)

    def table_finished(self, path: Path) -> None:
        """This file will not change any more."""
        self._prove_while_written(path)
        self._finished[path].set()

    def all_finished(self) -> None:
        """The dump is complete: go on with what nobody told of."""
        for path in files_of(self._root, self._name):
            self._prove_while_written(path)
        self._all_begun_are_finished()

    def _all_begun_are_finished(self) -> None:
        for finished in list(self._finished.values()):
            finished.set()

    def _prove_while_written(self, path: Path) -> None:
        with self._lock:
            if path not in self._begun:
                self._finished[path] = Event()
                if not self._closed:
                    self._begun[path] = self._pool.submit(self._prove, path, self._finished[path])

    def result(
        self, client: PostgresClient, tables: Mapping[int, str], rows: Mapping[str, int]
    ) -> tuple[StoredFile, ...]:
        """Every file of the dump in the order of its archive, once all hold exactly the rows that the database had.

        `tables`: OID to label; `rows`: label to count. Raises UnprovenError.
        """
        self.all_finished()
        try:
            for proving in self._begun.values():
                proving.result()
            faults = self._row_faults(client.contents(self._root / self._name).tables(), tables, rows)
        except CatalyxDrError as error:
            raise UnprovenError(f"the {self._name} dump cannot be read back, so it is not published: {error}") from None
        if faults:
            more = f" and {len(faults) - _SHOWN} more differences" if len(faults) > _SHOWN else ""
            raise UnprovenError(
                f"the {self._name} dump is not what the database held, so it is not published: "
                f"{'; '.join(faults[:_SHOWN])}{more}"
            )
        self._proven.put(None)
        return tuple(self._files)

    def proven_files(self) -> Iterator[StoredFile]:
        """Files as they become proven, to their last; raises UnprovenError when the proof is given up."""
        while (file := self._proven.get()) is not None:
            yield file
        if self._closed:
            raise UnprovenError(f"the {self._name} dump was given up")

    def close(self) -> None:
        """Give up what is still to be proven, without waiting; nothing happens after `result`."""
        with self._lock:
            self._closed = True
        self._all_begun_are_finished()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._proven.put(None)

    def _prove(self, path: Path, finished: Event) -> None:
        with GrowingFile(path, finished) as content:
            self._rows[path.name.split(".")[0]] = rows_in(path.name, content)
            # Here, and not when the set is published, so that the disk writes while other files are still dumped.
            os.fsync(content.fileno())
        file = content.measure.as_stored(path.relative_to(self._root).as_posix())
        with self._lock:  # One order in both: an archive is made again in the order of its manifest.
            self._files.append(file)
            self._proven.put(file)

    def _row_faults(self, contents: Mapping[int, int], tables: Mapping[int, str], rows: Mapping[str, int]) -> list[str]:
        dumped = {oid: self._rows.get(str(number)) for number, oid in contents.items()}
        return row_faults(tables, rows, dumped)


def decode(client: PostgresClient, root: Path, name: str) -> None:
    """Decode a dump to its last byte; raises CatalyxDrError when it is damaged."""
    if not (root / name / "toc.dat").exists():
        client.decode_archive(dump_path(root, name))
        return
    client.contents(root / name).tables()
    for path in files_of(root, name):
        with path.open("rb", buffering=0) as content:
            rows_in(path.name, content)


def row_faults(tables: Mapping[int, str], rows: Mapping[str, int], dumped: Mapping[int, int | None]) -> list[str]:
    """Differences between the rows that the database had and those in its dump, in words."""
    return [
        f"{label} has {rows[label]} rows in the database and {dumped.get(oid, 'no')} in the dump"
        for oid, label in sorted(tables.items())
        if dumped.get(oid) != rows[label]
    ]
