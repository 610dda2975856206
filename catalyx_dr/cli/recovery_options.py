"""What commands about recoveries share: overrides, the age identity, and a Job that is followed to its end."""

import secrets
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from catalyx_dr.adapters import jobs
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.jobs import JobState
from catalyx_dr.model.environment_spec import VerdictOverride
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.spec import SecretKey

Overrides = Annotated[
    list[str] | None, typer.Option("--override", metavar="VERDICT=REASON", help="Override a refusal by its name")
]
AgeIdentity = Annotated[
    str | None, typer.Option(metavar="SECRET/KEY", help="Secret and key with the private age identity, for the bucket")
]
SetSelection = Annotated[str, typer.Option("--set", help="Backup set id, latest, or latest before a moment")]
SetSource = Annotated[str, typer.Option("--source", help="volume, bucket or snapshot")]
InPlace = Annotated[bool, typer.Option("--in-place", help="Drop the present databases first: no room for both")]
DumpSelection = Annotated[str, typer.Option("--dump", help="Identity dump id, or latest")]
DumpSource = Annotated[str, typer.Option("--source", help="cluster or bucket")]
NewIdentifier = Annotated[str, typer.Option(help="Participant identifier never used before")]
MovedTo = Annotated[str | None, typer.Option(help="Participant that has the party since an import failed")]
Apply = Annotated[str, typer.Option(help="workload, custom-resource or print")]
_REFUSED = 2


def read_overrides(texts: list[str] | None) -> tuple[VerdictOverride, ...]:
    """Read VERDICT=REASON; raises RefusedError for another form, or a reason that is none."""
    found = []
    for text in texts or ():
        verdict, _, reason = text.partition("=")
        try:
            found.append(VerdictOverride(verdict=verdict, reason=reason))
        except ValidationError as error:
            fault = error.errors()[0]
            raise RefusedError(
                f"--override {text!r}: {fault['loc'][0]}: {fault['msg']}; write VERDICT=REASON"
            ) from None
    return tuple(found)


def read_secret_key(text: str | None) -> SecretKey | None:
    """Read SECRET/KEY; raises RefusedError for another form, which is not shown."""
    if text is None:
        return None
    name, _, key = text.partition("/")
    try:
        return SecretKey(name=name, key=key)
    except ValidationError:
        # What was given may be the identity itself.
        raise RefusedError("--age-identity names no Secret and key; write SECRET/KEY") from None


def fresh_name(prefix: str) -> str:
    """Name of a Job that is not a request."""
    return f"{prefix}-{secrets.token_hex(3)}"


def carry_out(cluster: Cluster, manifest: dict[str, Any]) -> None:
    """Start the Job, or adopt the one that runs, and show its log; raises as it ended.

    One that has ended makes way: its operation knows by itself what is done already.
    """
    name = manifest["metadata"]["name"]
    if jobs.state(cluster, name) in (JobState.FAILED, JobState.SUCCEEDED):
        jobs.remove(cluster, name)
    started = jobs.submit(cluster, manifest)
    _say(f"Job {cluster.namespace}/{name} {'started' if started else 'is there already and is watched'}")
    state = jobs.follow(cluster, name, _say)
    if state is JobState.SUCCEEDED:
        return
    text = f"Job {cluster.namespace}/{name} {state}; its log is above"
    raise RefusedError(text) if jobs.exit_code(cluster, name) == _REFUSED else CatalyxDrError(text)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the command's voice
