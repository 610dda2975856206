"""`catalyx-dr rollback`: takes a restore back, by a Job in the cluster."""

from datetime import timedelta
from typing import Annotated

import typer

from catalyx_dr.adapters import mounted_secrets
from catalyx_dr.adapters.cluster import connect
from catalyx_dr.adapters.recovery_jobs import installed
from catalyx_dr.cli.options import Context, Kubeconfig, Namespace, Validator
from catalyx_dr.cli.recovery_options import carry_out
from catalyx_dr.model.object_names import ObjectNames

_DEADLINE = timedelta(hours=2)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rollback", rich_help_panel="For people")(rollback)


def rollback(
    namespace: Namespace,
    request: Annotated[str, typer.Option("--request", help="Request id of the restore that is taken back")],
    undo: Annotated[bool, typer.Option("--undo", help="Take the rollback itself back")] = False,
    validator: Validator = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Swap the databases back that a restore replaced, and prove the validator; undo a restore that is half done.

    Nothing is dropped: with --undo, what the restore had put in place returns, as long as it is kept.
    """
    cluster = connect(namespace, kubeconfig, context)
    found = installed(cluster, validator)
    names = ObjectNames.of(found.spec)
    arguments = ("roll-back", "--request", request, *(("--undo",) if undo else ()))
    name = names.job("rollback-undo" if undo else "rollback", request)
    job = found.job(name, arguments, mounted_secrets.for_rollback(found.spec), _DEADLINE)
    carry_out(cluster, job)
