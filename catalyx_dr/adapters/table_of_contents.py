"""What a dump says of itself: its tables, its views, and the database that it was made of."""

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from catalyx_dr.adapters.programs import running

_TABLE_DATA = re.compile(r"^(\d+); \d+ (\d+) TABLE DATA ")
_VIEW_DATA = re.compile(r"^\d+; \d+ \d+ MATERIALIZED VIEW DATA (.+)$")
_ATTACHED = re.compile(r"^\d+; \d+ \d+ TABLE ATTACH ")
_DATABASE = re.compile(r"^\d+; \d+ \d+ DATABASE .+$", re.MULTILINE)
_CREATION = re.compile(
    r"^CREATE DATABASE .* WITH TEMPLATE = template0 (ENCODING = .+?)(?: TABLESPACE = .+)?;$", re.MULTILINE
)


class TableOfContents:
    """Of one dump, read by `pg_restore`; `scratch` is a folder for short-lived files.

    Its methods raise CatalyxDrError when the dump cannot be read.
    """

    def __init__(self, pg_restore: Path, archive: Path, scratch: Path) -> None:
        self._pg_restore, self._archive, self._scratch = pg_restore, archive, scratch

    def tables(self) -> dict[int, int]:
        """Number of a table's data to the table's OID in its database."""
        found = (_TABLE_DATA.match(line) for line in self._listed)
        return {int(one[1]): int(one[2]) for one in found if one}

    @property
    def views(self) -> dict[str, str]:
        """Entries that fill materialized views, in their order, to schema, name and owner of each."""
        return {line: found[1] for line in self._listed if (found := _VIEW_DATA.match(line))}

    @property
    def has_partitions(self) -> bool:
        """Tell whether a table is a partition of another."""
        return any(_ATTACHED.match(line) for line in self._listed)

    @property
    def rest(self) -> list[str]:
        """All other entries."""
        return [line for line in self._listed if not _VIEW_DATA.match(line)]

    def creation(self) -> str | None:
        """Encoding and locale of the database as CREATE DATABASE takes them; None where the dump does not tell."""
        entry = _DATABASE.search(self._told("--list", "--create"))
        if entry is None:
            return None
        with self.only([entry[0]]) as option:
            found = _CREATION.search(self._told("--create", "--file=-", option))
        return found[1] if found else None

    @contextmanager
    def only(self, entries: Iterable[str]) -> Iterator[str]:
        """Option that limits pg_restore to these entries."""
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self._scratch, prefix="entries-") as file:
            file.writelines(f"{entry}\n" for entry in entries)
            file.flush()
            yield f"--use-list={file.name}"

    @cached_property
    def _listed(self) -> list[str]:
        # pg_restore takes line feeds out of names, and nothing else at which `splitlines` would split them.
        return self._told("--list").split("\n")

    def _told(self, *options: str) -> str:
        with running(
            [self._pg_restore, *options, self._archive], f"reading the contents of {self._archive.name}", feeds=True
        ) as program:
            return program.output.read().decode(errors="replace")
