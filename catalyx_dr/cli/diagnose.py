"""`catalyx-dr diagnose`: what is wrong with a validator's protection, why, and what mends it."""

from contextlib import closing
from typing import Annotated

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalyx_dr.adapters.cluster import connect
from catalyx_dr.adapters.declared_validators import specifications
from catalyx_dr.cli.options import AsJson, Context, Kubeconfig, Namespace, Validator
from catalyx_dr.cli.words import one_line
from catalyx_dr.operations.diagnose import Diagnosed, diagnose_validator
from catalyx_dr.rules.diagnosis import Diagnosis

_DOCUMENT = TypeAdapter(list[Diagnosed])
_FOUND = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diagnose", rich_help_panel="For people")(diagnose)


def diagnose(
    namespace: Namespace,
    validator: Validator = None,
    job: Annotated[bool, typer.Option(help="Also look from inside the cluster, with a short Job")] = True,
    as_json: AsJson = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Find what is wrong with schedules, Jobs, volume, Secrets, databases, bucket, identity and logins.

    Ends with 0 when nothing is found and with 1 when something is; changes nothing.
    """
    with closing(connect(namespace, kubeconfig, context)) as cluster:
        found = [diagnose_validator(cluster, spec, inside=job) for spec in specifications(cluster, validator)]
    if as_json:
        print(_DOCUMENT.dump_json(found, indent=2).decode())  # noqa: T201
    else:
        _show(found, namespace)
    if any(one.diagnoses for one in found):
        raise typer.Exit(_FOUND)


def _show(found: list[Diagnosed], namespace: str) -> None:
    console = Console()
    if not found:
        console.print(Text(f"Namespace {namespace} has no protected validator; declare one and run pulumi up."))
    for one in found:
        count = len(one.diagnoses)
        heading = f"{one.validator} in namespace {namespace}: " + (
            "nothing wrong found" if not count else f"{count} found"
        )
        console.print(Text(heading, style="bold"))
        for number, diagnosis in enumerate(one.diagnoses, start=1):
            console.print(Text(f"\n{number}. {diagnosis.name}: {diagnosis.subject}"))
            console.print(_row(diagnosis))
        for skipped in one.not_looked_at:
            console.print(Text(f"\nnot looked at: {one_line(skipped)}"))


def _row(diagnosis: Diagnosis) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in (("found", diagnosis.found), ("cause", diagnosis.cause), ("remedy", diagnosis.remedy)):
        table.add_row(f"   {label}:", Text(one_line(text)))
    return table
