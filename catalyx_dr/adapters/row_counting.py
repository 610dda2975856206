"""Rows of a dump, counted while it is decoded: in the file of one table, and in the SQL of a whole archive."""

import re
import sys
import zlib
from gzip import BadGzipFile, GzipFile
from io import RawIOBase
from pathlib import PurePath
from typing import IO, cast

from catalyx_dr.model.errors import CatalyxDrError

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError, ZstdFile
else:
    from backports.zstd import ZstdError, ZstdFile

# Small enough to stay in the processor's cache between decoding and counting.
_BLOCK_BYTES = 256 * 1024
# How pg_dump ends the data of a table.
_END = b"\\.\n\n\n"
_OID = re.compile(rb"^-- TOC entry \d+ \(class \d+ OID (\d+)\)$")


def rows_in(name: str, content: RawIOBase) -> int | None:
    """Decode the file `name` to its last byte and count the rows of its table; None for a file that holds no table.

    pg_restore takes the early end of a zstd file for its end (measured with 17.12); here it is an error, and the last
    line of a table's data is looked for. Raises CatalyxDrError when the content is damaged.
    """
    try:
        lines, tail = _lines(_decoded(name, content))
    except (EOFError, ZstdError, zlib.error, BadGzipFile) as error:
        raise CatalyxDrError(f"{name} cannot be decoded: {error}") from None
    if not name.split(".")[0].isdigit():
        return None
    if tail != _END:
        raise CatalyxDrError(f"{name} ends early: the end of the table's data is missing")
    return lines - _END.count(b"\n")


def _lines(content: RawIOBase) -> tuple[int, bytes]:
    """Number of line ends, and the last bytes."""
    block, lines, tail = bytearray(_BLOCK_BYTES), 0, b""
    while size := content.readinto(block):
        lines += block.count(b"\n", 0, size)
        tail = (tail + block[max(size - len(_END), 0) : size])[-len(_END) :]
    return lines, tail


def _decoded(name: str, content: RawIOBase) -> RawIOBase:
    match PurePath(name).suffix:
        case ".zst":
            return cast(RawIOBase, ZstdFile(cast(IO[bytes], content)))
        case ".gz":
            return cast(RawIOBase, GzipFile(fileobj=cast(IO[bytes], content)))
        case _:
            return content


def rows_by_table(script: IO[bytes]) -> dict[int, int]:
    """Rows that a script of pg_restore (data only, verbose) copies into each table, by the OID of the table."""
    rows: dict[int, int] = {}
    oid = 0
    while line := script.readline():
        if found := _OID.match(line.rstrip(b"\n")):
            oid = int(found[1])
        elif line.startswith(b"COPY "):
            _pass_over_names(line, script)
            rows[oid] = _copied(script)
    return rows


def _pass_over_names(statement: bytes, script: IO[bytes]) -> None:
    """Read a COPY statement to its end: the quoted names in it may hold line ends, and what looks like its end."""
    while statement.count(b'"') % 2 or not statement.endswith(b" FROM stdin;\n"):
        line = script.readline()
        if not line:
            raise CatalyxDrError("the archive ends within a COPY statement")
        statement += line


def _copied(script: IO[bytes]) -> int:
    rows, begins = 0, True
    while piece := script.readline(_BLOCK_BYTES):  # a row of 100 MB is a line of 200
        if begins and piece == b"\\.\n":
            return rows
        begins = piece.endswith(b"\n")
        rows += begins
    raise CatalyxDrError("the archive ends within the data of a table")
