"""`catalyx-dr preflight`: every verdict on a recovery, made by a Job where databases and stores can be reached."""

from datetime import timedelta
from typing import TypeVar

import typer
from pydantic import ValidationError

from catalyx_dr.adapters import jobs, mounted_secrets
from catalyx_dr.adapters.cluster import Cluster, connect
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.adapters.recovery_arguments import import_arguments, restore_arguments
from catalyx_dr.adapters.recovery_jobs import Installed, installed
from catalyx_dr.cli.options import Context, Kubeconfig, Namespace, Validator
from catalyx_dr.cli.recovery_options import (
    AgeIdentity,
    Apply,
    DumpSelection,
    DumpSource,
    InPlace,
    MovedTo,
    NewIdentifier,
    Overrides,
    SetSelection,
    SetSource,
    carry_out,
    fresh_name,
    read_overrides,
    read_secret_key,
)
from catalyx_dr.model.capture_id import is_capture_id
from catalyx_dr.model.environment_spec import IdentityImportRequest, RestoreRequest
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.record import RecordKind
from catalyx_dr.model.selector import LATEST
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.rules import spec_faults
from catalyx_dr.rules.recovery import choose, recorded_captures

_Request = TypeVar("_Request", RestoreRequest, IdentityImportRequest)
_DEADLINE = timedelta(minutes=30)
_REQUEST = "preflight"
_ONLY_CHECK = "--only-check"

app = typer.Typer(help="Every verdict on a recovery, before it is asked for; touches nothing.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="preflight", rich_help_panel="For people")


@app.command("restore")
def restore(
    namespace: Namespace,
    validator: Validator = None,
    set_id: SetSelection = LATEST,
    source: SetSource = "volume",
    in_place: InPlace = False,
    age_identity: AgeIdentity = None,
    override: Overrides = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Verdicts on a restore; exit code 2 when it would be refused."""
    cluster = connect(namespace, kubeconfig, context)
    found = installed(cluster, validator)
    request = _request(
        RestoreRequest,
        validator=found.spec.name,
        source=source,
        set=set_id,
        in_place=in_place,
        age_identity=read_secret_key(age_identity),
        overrides=read_overrides(override),
    )
    arguments = ("restore", *restore_arguments(request, set_id), _ONLY_CHECK)
    _run(found, cluster, arguments, mounted_secrets.for_restore(found.spec, request))


@app.command("import")
def identity_import(
    namespace: Namespace,
    new_identifier: NewIdentifier,
    validator: Validator = None,
    dump: DumpSelection = LATEST,
    source: DumpSource = "cluster",
    apply: Apply = "workload",
    moved_to: MovedTo = None,
    age_identity: AgeIdentity = None,
    override: Overrides = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Verdicts on an identity import; exit code 2 when it would be refused."""
    cluster = connect(namespace, kubeconfig, context)
    found = installed(cluster, validator)
    request = _request(
        IdentityImportRequest,
        validator=found.spec.name,
        source=source,
        dump=dump,
        new_participant_identifier=new_identifier,
        apply=apply,
        moved_to=moved_to,
        age_identity=read_secret_key(age_identity),
        overrides=read_overrides(override),
    )
    chosen = _in_cluster(cluster, found, dump) if source == "cluster" else dump
    arguments = ("import-identities", *import_arguments(request, chosen), _ONLY_CHECK)
    secrets = mounted_secrets.for_identity_import(found.spec, request, chosen if is_capture_id(chosen) else None)
    _run(found, cluster, arguments, secrets)


def _in_cluster(cluster: Cluster, found: Installed, dump: str) -> str:
    """Id of the dump: its Secret is mounted by name, because a Job reads no other Secret."""
    records = ClusterRecords(cluster).list(found.spec.name, RecordKind.IDENTITY_DUMP)
    return choose(recorded_captures(records, "cluster"), dump, kind="identity dump").identifier


def _run(found: Installed, cluster: Cluster, arguments: tuple[str, ...], secrets: tuple[SecretKey, ...]) -> None:
    name = fresh_name(f"{found.spec.name}-preflight")
    try:
        carry_out(cluster, found.job(name, arguments, secrets, _DEADLINE))
    finally:
        jobs.remove(cluster, name)


def _request(kind: type[_Request], **options: object) -> _Request:
    """The request as a stack would ask it; raises RefusedError in the words of a stack's faults."""
    fields = {"request_id": _REQUEST, **options}
    try:
        return kind.model_validate(fields, by_name=True)
    except ValidationError as error:
        raise RefusedError("\n".join(spec_faults.faults(error, kind, fields))) from None
