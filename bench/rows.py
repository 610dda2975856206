"""Rows of measurements: one JSON file a subject, and a table on the terminal."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

OUT = Path(__file__).with_name("out")


@dataclass(frozen=True)
class Row:
    """One measurement. `ratio`: ours to the peer's; `target`: what is wanted, in words; bytes where sizes matter."""

    name: str
    seconds: float
    bytes: int | None = None
    peer: str | None = None
    ratio: float | None = None
    target: str | None = None
    met: bool | None = None


def report(subject: str, rows: Sequence[Row]) -> None:
    """Write `bench/out/<subject>.json` and show the rows."""
    OUT.mkdir(exist_ok=True)
    (OUT / f"{subject}.json").write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    table = Table(title=subject, box=None, pad_edge=False)
    for column in ("NAME", "SECONDS", "BYTES", "PEER", "RATIO", "TARGET", "MET"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            row.name,
            f"{row.seconds:.2f}",
            "" if row.bytes is None else f"{row.bytes:,}",
            row.peer or "",
            "" if row.ratio is None else f"{row.ratio:.2f}",
            row.target or "",
            "" if row.met is None else ("yes" if row.met else "NO"),
        )
    Console().print(table)
