"""Rows of a dump, counted while it is decoded: in the file of one table, and in the SQL of a whole archive."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from catalyx_dr.adapters.programs import running
from catalyx_dr.model.errors import CatalyxDrError

_BLOCK_BYTES = 1024 * 1024
_DECODERS = {".zst": ["zstd", "-dcq", "--"], ".gz": ["gzip", "-dcq", "--"]}
# How pg_dump ends the data of a table.
_END = b"\\.\n\n\n"
_OID = re.compile(rb"^-- TOC entry \d+ \(class \d+ OID (\d+)\)$")


def rows_in(path: Path) -> int | None:
    """Decode the file to its last byte and count the rows of its table; None for a file that holds no table.

    pg_restore takes the early end of a zstd file for its end (measured with 17.12); zstd itself does not, and the last
    line of a table's data is looked for. Raises CatalyxDrError when the file is damaged.
    """
    with _decoded(path) as content:
        lines, tail = 0, b""
        while block := content.read(_BLOCK_BYTES):
            lines += block.count(b"\n")
            tail = (tail + block)[-len(_END) :]
    if not path.name.split(".")[0].isdigit():
        return None
    if tail != _END:
        raise CatalyxDrError(f"{path.name} ends early: the end of the table's data is missing")
    return lines - _END.count(b"\n")


@contextmanager
def _decoded(path: Path) -> Iterator[IO[bytes]]:
    decoder = _DECODERS.get(path.suffix)
    if decoder is None:
        with path.open("rb") as file:
            yield file
        return
    with running([*decoder, str(path)], f"decoding {path.name}", feeds=True) as program:
        yield program.output


def rows_by_table(script: IO[bytes]) -> dict[int, int]:
    """Rows that a script of pg_restore (data only, verbose) copies into each table, by the OID of the table."""
    rows: dict[int, int] = {}
    oid = 0
    lines = iter(script.readline, b"")
    for line in lines:
        if found := _OID.match(line.rstrip(b"\n")):
            oid = int(found[1])
        elif line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
            rows[oid] = _copied(lines)
    return rows


def _copied(lines: Iterator[bytes]) -> int:
    for count, line in enumerate(lines):
        if line == b"\\.\n":
            return count
    raise CatalyxDrError("the archive ends within the data of a table")
