"""`catalyx-dr history`: what was captured and recovered, when, how large, and whether it is proven."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from catalyx_dr.adapters.cluster import connect
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.cli.options import Context, Kubeconfig, Namespace, Validator
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.record import Record, RecordKind


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("history", rich_help_panel="For people")(history)


def history(
    namespace: Namespace,
    validator: Validator = None,
    kind: Annotated[RecordKind | None, typer.Option(help="Only this kind")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Records as a JSON array")] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """List backup sets, identity dumps and recoveries, newest first."""
    records = ClusterRecords(connect(namespace, kubeconfig, context)).list(validator, kind)
    if as_json:
        documents = [record.model_dump(mode="json", by_alias=True) for record in records]
        print(json.dumps(documents, indent=2))  # noqa: T201
        return
    Console().print(_table(records))


def _table(records: list[Record]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("KIND", "VALIDATOR", "ID", "STARTED (UTC)", "TOOK", "SIZE", "STATUS", "WHERE", "MESSAGE"):
        table.add_column(column, overflow="fold")
    for record in records:
        status = str(record.status) if record.finished else f"{record.status} {record.percent} % {record.phase}"
        table.add_row(
            record.kind,
            record.validator,
            record.identifier,
            record.started.strftime("%Y-%m-%d %H:%M:%S"),
            format_duration(record.took) if record.took else "",
            decimal(record.bytes) if record.bytes else "",
            status,
            ", ".join(record.locations),
            record.message,
        )
    return table
