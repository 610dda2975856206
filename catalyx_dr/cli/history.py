"""`catalyx-dr history`: what was captured and recovered, when, how large, and whether it is proven."""

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from catalyx_dr.adapters.cluster import connect
from catalyx_dr.adapters.declared_validators import check_namespace
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.cli.options import AsJson, Context, Kubeconfig, Namespace, Validator
from catalyx_dr.cli.words import one_line, short_kind, size, state, utc
from catalyx_dr.model.duration import format_age
from catalyx_dr.model.record import Record, RecordKind, RecordStatus

_CAPTURES = (RecordKind.BACKUP_SET, RecordKind.IDENTITY_DUMP)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("history", rich_help_panel="For people")(history)


def history(
    namespace: Namespace,
    validator: Validator = None,
    kind: Annotated[RecordKind | None, typer.Option(help="Only this kind")] = None,
    as_json: AsJson = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """List backup sets, identity dumps and recoveries, newest first; times are UTC."""
    with closing(connect(namespace, kubeconfig, context)) as cluster:
        found = ClusterRecords(cluster).legible(validator, kind)
        records = found.records
        if not records:
            check_namespace(cluster)
    for fault in found.faults.values():
        print(f"attention: {fault}", file=sys.stderr)  # noqa: T201
    if as_json:
        documents = [record.model_dump(mode="json", by_alias=True) for record in records]
        print(json.dumps(documents, indent=2))  # noqa: T201
    elif records:
        show(Console(), records, datetime.now(UTC))
    else:
        wanted = " ".join(word for word in (kind, f"of {validator}" if validator else "") if word)
        print(f"No records {wanted and wanted + ' '}in namespace {namespace} yet; catalyx-dr run backup makes one.")  # noqa: T201


def show(console: Console, records: Sequence[Record], now: datetime) -> None:
    """Print a table that fits 80 columns, then what has to be said of single runs."""
    validators = sorted({record.validator for record in records})
    for name in validators:
        mine = [record for record in records if record.validator == name]
        if len(validators) > 1:
            console.print(Text(f"\n{name}", style="bold"))
        console.print(_table(mine, now))
        for record in filter(_has_more_to_say, mine):
            console.print(Text(f"\n{record.identifier} ({short_kind(record.kind)}), {_beginning(record)}:"))
            for text in (*(f"{place}: {how}" for place, how in record.damaged.items()), record.message or record.phase):
                console.print(Padding(Text(one_line(text)), (0, 0, 0, 2)))


def _table(records: Sequence[Record], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    # The id is what people copy; only request ids of people's own are longer and may be folded.
    table.add_column("ID", overflow="fold", min_width=16)
    for heading in ("KIND", "TIME (UTC)", "AGE", "SIZE", "STATUS"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in ("AGE", "SIZE") else "left")
    table.add_column("WHERE", min_width=7)
    for record in records:
        table.add_row(
            record.identifier,
            short_kind(record.kind),
            utc(record.started),
            format_age(now - record.started),
            size(record.bytes),
            state(record),
            " ".join(record.locations),
        )
    return table


def _has_more_to_say(record: Record) -> bool:
    """Proven captures speak for themselves; failures, recoveries, and what needs attention do not."""
    routine = record.kind in _CAPTURES and record.status is RecordStatus.COMPLETED
    return not routine or bool(record.damaged) or "attention:" in record.message


def _beginning(record: Record) -> str:
    if record.status is RecordStatus.FAILED:
        return f"failed in phase {record.phase!r}"
    if record.damaged:
        return "found damaged"
    return "running" if record.status is RecordStatus.RUNNING else "completed"
