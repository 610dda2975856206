"""`catalyx-dr run`: a scheduled operation, now instead of by the clock."""

import secrets
from enum import StrEnum
from typing import Annotated

import typer

from catalyx_dr.adapters import jobs
from catalyx_dr.adapters.cluster import Cluster, connect
from catalyx_dr.cli.options import Context, Kubeconfig, Namespace, Validator
from catalyx_dr.model.errors import CatalyxDrError, RefusedError


class Scheduled(StrEnum):
    """What a stack schedules."""

    BACKUP = "backup"
    IDENTITY_DUMP = "identity-dump"
    VERIFY = "verify"
    DRILL = "drill"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", rich_help_panel="For people")(run)


def run(
    what: Annotated[Scheduled, typer.Argument(help="backup, identity-dump, verify or drill")],
    namespace: Namespace,
    validator: Validator = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Start a scheduled operation at once, show its progress and end with its result."""
    cluster = connect(namespace, kubeconfig, context)
    cron_job = _cron_job(cluster, what, validator)
    job = f"{cron_job}-run-{secrets.token_hex(3)}"
    jobs.submit_from_cron_job(cluster, cron_job, job)
    print(f"Job {namespace}/{job} started from CronJob {cron_job}", flush=True)  # noqa: T201
    state = jobs.follow(cluster, job, lambda line: print(line, flush=True))  # noqa: T201
    if state is not jobs.JobState.SUCCEEDED:
        raise CatalyxDrError(f"Job {namespace}/{job} {state}; its log is above, and its record in catalyx-dr history")
    print(f"Job {namespace}/{job} {state}")  # noqa: T201


def _cron_job(cluster: Cluster, what: Scheduled, validator: str | None) -> str:
    found = [name for name in jobs.cron_jobs(cluster) if name.endswith(f"-{what}")]
    wanted = [name for name in found if validator is None or name == f"{validator}-{what}"]
    if len(wanted) == 1:
        return wanted[0]
    names = ", ".join(name.removesuffix(f"-{what}") for name in found) or "none"
    raise RefusedError(
        f"--validator {validator or '(not given)'}: namespace {cluster.namespace} schedules {what} for: {names}; "
        "name one of them, or declare it in the stack and run pulumi up"
    )
