"""`catalyx-dr switch-claims`: let the database servers use what a restore from snapshots made."""

from contextlib import closing
from typing import Annotated

import typer

from catalyx_dr.adapters.cluster import connect
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.adapters.recovery_jobs import installed
from catalyx_dr.adapters.run_lease import ClusterLeases
from catalyx_dr.cli.options import Context, Kubeconfig, Namespace, Validator
from catalyx_dr.operations.claim_switch import ClaimSwitch, SwitchStep


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("switch-claims", rich_help_panel="For people")(switch_claims)


def switch_claims(
    namespace: Namespace,
    request: Annotated[str, typer.Option(help="Request id of the restore from snapshots")],
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without, only tell what would be done")] = False,
    back: Annotated[bool, typer.Option("--back", help="Take the switch back: to the volumes that were kept")] = False,
    validator: Validator = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Put restored claims in the place of the present ones; the volumes of those are kept, and nothing is overwritten.

    Needs rights to change volumes, which jobs of the stack never have.
    """
    with closing(connect(namespace, kubeconfig, context)) as cluster:
        spec = installed(cluster, validator).spec
        switch = ClaimSwitch(spec, request, ClusterRecords(cluster), ClusterLeases(cluster), cluster, _say, back=back)
        if apply:
            switch.apply()
            return
        plan = switch.plan()
        stopped = ", ".join(map(str, (*spec.workloads, *plan.servers)))
        _say(f"{stopped} would be scaled down, and up again after this:")
        for step in plan.steps:
            _say(_told(step))
        _say("nothing was changed; write --apply to do it")


def _told(step: SwitchStep) -> str:
    former = f"its volume {step.replaced.volume} is kept" if step.replaced else "it is not there now"
    return f"claim {step.name} would get volume {step.restored.volume} (claim {step.restored.name}); {former}"


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
