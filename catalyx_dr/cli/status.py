"""`catalyx-dr status`: how far a validator is from what was promised, what runs, what comes next, what failed."""

import time
from contextlib import closing
from typing import Annotated

import typer
from pydantic import TypeAdapter
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from catalyx_dr.adapters.cluster import Cluster, connect
from catalyx_dr.adapters.declared_validators import schedules, specifications
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.cli.options import AsJson, Context, Kubeconfig, Namespace, Validator
from catalyx_dr.cli.status_page import status_page
from catalyx_dr.model.errors import RefusedError, UnreachableError
from catalyx_dr.operations.surroundings import utc_now
from catalyx_dr.rules.validator_status import ValidatorStatus, status_of

_EVERY_SECONDS = 2.0
_MISSED = 1
_DOCUMENT = TypeAdapter(list[ValidatorStatus])


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", rich_help_panel="For people")(status)


def status(
    namespace: Namespace,
    validator: Validator = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it until Ctrl-C")] = False,
    as_json: AsJson = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show newest proven captures against the recovery point, running operations, next runs and failures.

    Ends with 1 when a promised recovery point is missed.
    """
    if watch and as_json:
        raise RefusedError("--watch and --json exclude each other; ask again and again for --json")
    with closing(connect(namespace, kubeconfig, context)) as cluster:
        found = look(cluster, validator)
        if as_json:
            print(_DOCUMENT.dump_json(found, indent=2).decode())  # noqa: T201
        elif watch:
            found = _watch(cluster, validator, found)
        else:
            Console().print(_page(found, namespace))
    if any(one.missed for one in found):
        raise typer.Exit(_MISSED)


def look(cluster: Cluster, validator: str | None) -> list[ValidatorStatus]:
    """Status of the validators in the namespace, from lists of the API."""
    declared = specifications(cluster, validator)
    if not declared:
        return []
    found, now = schedules(cluster), utc_now()
    known = [(spec, ClusterRecords(cluster).legible(spec.name)) for spec in declared]
    return [status_of(spec, found, one.records, now, one.faults.values()) for spec, one in known]


def _watch(cluster: Cluster, validator: str | None, found: list[ValidatorStatus]) -> list[ValidatorStatus]:
    console = Console()
    with Live(_page(found, cluster.namespace), console=console, auto_refresh=False, screen=console.is_terminal) as live:
        try:
            while True:
                time.sleep(_EVERY_SECONDS)
                try:
                    found = look(cluster, validator)
                    page = _page(found, cluster.namespace)
                except UnreachableError as error:
                    page = Group(_page(found, cluster.namespace), Text(f"\n{error}; asking again"))
                live.update(page, refresh=True)
        except KeyboardInterrupt:
            return found


def _page(found: list[ValidatorStatus], namespace: str) -> RenderableType:
    if not found:
        return Text(
            f"Namespace {namespace} has no protected validator; declare one in the stack file and run pulumi up."
        )
    return Group(*map(status_page, found))
