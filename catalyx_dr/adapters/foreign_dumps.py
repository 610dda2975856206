"""Dumps that others made with pg_dump: what their headers say, and what a decode to the last byte finds in them."""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from catalyx_dr.adapters.postgres_client import PostgresClient, archive_of
from catalyx_dr.adapters.programs import client_environment, last_words
from catalyx_dr.model.errors import UnprovenError

_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[^\s".(]+)'
_COPY = re.compile(rf"^COPY ({_IDENTIFIER}\.{_IDENTIFIER}) \((.*)\) FROM stdin;$")
_END = b"\\.\n"
_NULL = "\\N"
_LARGE_OBJECT = re.compile(rb"^SELECT pg_catalog\.lo_create\('[0-9]+'\);$")
_LARGE_OBJECTS = "pg_catalog.pg_largeobject_metadata"


@dataclass(frozen=True)
class DumpHeader:
    """What pg_dump wrote at the beginning."""

    created: datetime
    database: str
    server_version: str
    client_version: str


@dataclass
class DumpContents:
    """Rows a table as in a set's manifest, the rows of the wanted tables, and the bytes of SQL that were decoded."""

    row_counts: dict[str, int] = field(default_factory=lambda: {_LARGE_OBJECTS: 0})
    rows: dict[str, list[Mapping[str, str | None]]] = field(default_factory=lambda: defaultdict(list))
    decoded_bytes: int = 0


def header(client: PostgresClient, dump: Path, time_zone: str) -> DumpHeader:
    """Header of a dump in custom or directory format; raises UnprovenError for anything else.

    `time_zone`: of the machine that made it, since archives hold local times without a zone.
    """
    arguments = [str(client.folder / "pg_restore"), "--list", str(archive_of(dump))]
    # In UTC the fields are shown as they are stored.
    environment = client_environment() | {"TZ": "UTC"}
    answer = subprocess.run(  # noqa: S603
        arguments, capture_output=True, text=True, errors="replace", check=False, env=environment
    )
    if answer.returncode != 0:
        raise UnprovenError(
            f"{dump.name} is no dump that can be proven: {last_words(answer.stderr.splitlines())}; it must be made "
            "with pg_dump --format=custom or --format=directory, by a version not newer than the agent's"
        )
    found = dict(re.findall(r"^;\s+(Archive created at|dbname:|Dumped \w+ \S+ version:)\s+(.*)$", answer.stdout, re.M))
    try:
        created = datetime.strptime(found["Archive created at"][:19], "%Y-%m-%d %H:%M:%S")
        return DumpHeader(
            created=created.replace(tzinfo=ZoneInfo(time_zone)).astimezone(UTC),
            database=found["dbname:"],
            server_version=found["Dumped from database version:"].split()[0],
            client_version=found["Dumped by pg_dump version:"].split()[0],
        )
    except (KeyError, ValueError):
        raise UnprovenError(f"{dump.name} has no header of pg_dump that can be read") from None


def contents(client: PostgresClient, dump: Path, wanted: Iterable[str]) -> DumpContents:
    """Decode a dump to its last byte and count its rows; keep the rows of the `wanted` tables (`schema.table`).

    Raises UnprovenError when it is damaged.
    """
    found, keep = DumpContents(), frozenset(wanted)
    arguments = [str(client.folder / "pg_restore"), "--file=-", str(archive_of(dump))]
    with subprocess.Popen(  # noqa: S603
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=client_environment(),
    ) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        assert process.stderr is not None  # noqa: S101 - for the type checker
        _read(process.stdout, found, keep)
        errors = process.stderr.read().decode(errors="replace")
    if process.returncode != 0:
        raise UnprovenError(f"{dump.name} cannot be read to its end: {last_words(errors.splitlines())}")
    return found


def _read(lines: Iterable[bytes], found: DumpContents, keep: frozenset[str]) -> None:
    table: str | None = None
    columns: list[str] = []
    for line in lines:
        found.decoded_bytes += len(line)
        if table is not None:
            if line == _END:
                table = None
                continue
            found.row_counts[table] += 1
            if table in keep:
                values = line.decode().rstrip("\n").split("\t")
                found.rows[table].append(
                    {name: None if value == _NULL else value for name, value in zip(columns, values, strict=True)}
                )
        elif match := _COPY.match(line.decode(errors="replace").rstrip("\n")) if line.startswith(b"COPY ") else None:
            table, columns = match[1], match[2].split(", ")
            found.row_counts.setdefault(table, 0)
        elif _LARGE_OBJECT.match(line):
            found.row_counts[_LARGE_OBJECTS] += 1
