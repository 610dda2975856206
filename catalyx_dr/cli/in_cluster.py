"""Commands that the Jobs in the cluster run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from catalyx_dr.adapters.api_silence import API_SILENCE
from catalyx_dr.adapters.backup_claims import ClusterClaim
from catalyx_dr.adapters.cluster import Cluster, connect
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.adapters.run_lease import ClusterLeases
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.volume_snapshots import IN_SNAPSHOTS, ClusterSnapshots
from catalyx_dr.cli.ending import ended_by_signal
from catalyx_dr.cli.recovery_options import (
    Apply,
    DumpSelection,
    DumpSource,
    InPlace,
    MovedTo,
    NewIdentifier,
    Overrides,
    SetSelection,
    SetSource,
    read_overrides,
)
from catalyx_dr.model.errors import RefusedError, SpecError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import RecordKind
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.adopt_dump import DumpToAdopt, adopt_dump
from catalyx_dr.operations.adopt_set import SetToAdopt, adopt_set
from catalyx_dr.operations.alerting import alerting
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.diagnose import ANSWER
from catalyx_dr.operations.drill import drill
from catalyx_dr.operations.dump_identities import dump_identities
from catalyx_dr.operations.ensure_bucket import ensure_bucket
from catalyx_dr.operations.import_identities import ImportOrder, import_identities
from catalyx_dr.operations.import_identities import preflight as import_preflight
from catalyx_dr.operations.look_inside import look_inside
from catalyx_dr.operations.restore import RestoreOrder, restore
from catalyx_dr.operations.restore import preflight as restore_preflight
from catalyx_dr.operations.rollback import roll_back
from catalyx_dr.operations.snapshot_backup import snapshot
from catalyx_dr.operations.snapshot_drill import drill_snapshots
from catalyx_dr.operations.snapshot_preflight import preflight as snapshot_preflight
from catalyx_dr.operations.snapshot_restore import restore_snapshots
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.operations.verify import verify
from catalyx_dr.rules.verdict import Outcome, Verdict

SpecFile = Annotated[Path, typer.Option("--spec", help="ValidatorSpec as JSON")]
# Whatever only looks lets everything else go first.
_POLITE = 10
_SPEC_PATH = Path("/etc/catalyx-dr/validator.json")
Request = Annotated[str, typer.Option("--request", help="Request id; the same request never runs twice")]
IdentityFile = Annotated[Path | None, typer.Option(help="File with the private age identity")]
OnlyCheck = Annotated[bool, typer.Option("--only-check", help="Only the preflight: every verdict, nothing is touched")]
PartyId = Annotated[str | None, typer.Option(help="Party of the operator, where history knows nothing yet")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (
        ("backup", backup),
        ("dump-identities", dump),
        ("verify", verify_captures),
        ("drill", rehearse),
        ("ensure-bucket", bucket),
        ("restore", restore_databases),
        ("roll-back", roll_back_restore),
        ("import-identities", import_dump),
        ("look-inside", look),
        ("adopt-dump", adopt_identities),
        ("adopt-set", adopt_databases),
    ):
        app.command(name, rich_help_panel="In the cluster")(ended_by_signal()(command))


def backup(spec: SpecFile = _SPEC_PATH) -> None:
    """Capture both databases in order, prove, publish, export, prune."""
    validator, cluster = _read(spec)
    with _scheduled(RecordKind.BACKUP_SET, validator, cluster) as surroundings:
        if validator.backup is not None and validator.backup.method == "snapshot":
            snapshot(validator, surroundings, ClusterSnapshots(cluster, validator.name))
        else:
            back_up(validator, surroundings, ClusterClaim(cluster, ObjectNames.of(validator).volume_claim))


def dump(spec: SpecFile = _SPEC_PATH) -> None:
    """Fetch, validate and keep an identity dump."""
    validator, cluster = _read(spec)
    with _scheduled(RecordKind.IDENTITY_DUMP, validator, cluster) as surroundings:
        dump_identities(validator, surroundings, cluster)


def verify_captures(spec: SpecFile = _SPEC_PATH) -> None:
    """Read every capture again, mark what is damaged, look at the recovery points."""
    validator, cluster = _read(spec)
    os.nice(_POLITE)
    with _scheduled(RecordKind.VERIFICATION, validator, cluster) as surroundings:
        verify(validator, surroundings, cluster)


def rehearse(spec: SpecFile = _SPEC_PATH) -> None:
    """Restore the newest proven set into a throw-away server, and prove it."""
    validator, cluster = _read(spec)
    os.nice(_POLITE)
    with _scheduled(RecordKind.DRILL, validator, cluster) as surroundings:
        if validator.drill is not None and validator.drill.source == IN_SNAPSHOTS:
            drill_snapshots(validator, surroundings, cluster, ClusterSnapshots(cluster, validator.name))
        else:
            drill(validator, surroundings)


def bucket(spec: SpecFile = _SPEC_PATH) -> None:
    """Make the bucket of an S3-compatible store as declared."""
    validator, cluster = _read(spec)
    ensure_bucket(validator, _surroundings(cluster))


def look(spec: SpecFile = _SPEC_PATH) -> None:
    """Tell what databases, store, Keycloak and validator answer; changes nothing."""
    seen = look_inside(_read_spec(spec), SecretFiles())
    print(ANSWER + seen.model_dump_json(), flush=True)  # noqa: T201


def adopt_identities(
    secret: Annotated[str, typer.Option(help="Mounted Secret that holds the dump under content")],
    taken: Annotated[datetime, typer.Option(help="When it was taken, in UTC")],
    origin: Annotated[str, typer.Option(help="Where it came from, for the record")],
    party_id: PartyId = None,
    spec: SpecFile = _SPEC_PATH,
) -> None:
    """Prove and keep an identity dump that others took."""
    validator, cluster = _read(spec)
    order = DumpToAdopt(secret, taken.replace(tzinfo=UTC), origin, party_id)
    adopt_dump(validator, order, _surroundings(cluster), cluster)


def adopt_databases(
    name: Annotated[str, typer.Argument(help="Folder below incoming/")],
    source: Annotated[str, typer.Option(help="volume or bucket")] = "volume",
    time_zone: Annotated[str, typer.Option(help="Zone of the machine that made the dumps")] = "Etc/UTC",
    party_id: PartyId = None,
    spec: SpecFile = _SPEC_PATH,
) -> None:
    """Prove and keep a pair of database dumps that others made."""
    validator, cluster = _read(spec)
    adopt_set(validator, SetToAdopt(name, source, time_zone, party_id), _surroundings(cluster))


def restore_databases(
    set_id: SetSelection,
    request: Request,
    source: SetSource = "volume",
    in_place: InPlace = False,
    age_identity_file: IdentityFile = None,
    override: Overrides = None,
    only_check: OnlyCheck = False,
    spec: SpecFile = _SPEC_PATH,
) -> None:
    """Restore both databases beside the present ones, prove them, and swap."""
    validator, cluster = _read(spec)
    surroundings = _surroundings(cluster)
    order = RestoreOrder(set_id, request, source, age_identity_file, read_overrides(override), in_place)
    if source == IN_SNAPSHOTS:
        snapshots = ClusterSnapshots(cluster, validator.name)
        if only_check:
            _tell(snapshot_preflight(validator, order, surroundings, cluster, snapshots))
        else:
            restore_snapshots(validator, order, surroundings, cluster, snapshots)
    elif only_check:
        _tell(restore_preflight(validator, order, surroundings, cluster))
    else:
        restore(validator, order, surroundings, cluster)


def roll_back_restore(
    request: Request,
    undo: Annotated[bool, typer.Option("--undo", help="Take the rollback itself back")] = False,
    spec: SpecFile = _SPEC_PATH,
) -> None:
    """Swap the databases back that a restore replaced, or undo one that is half done."""
    validator, cluster = _read(spec)
    roll_back(validator, request, _surroundings(cluster), cluster, undo=undo)


def import_dump(
    dump_id: DumpSelection,
    request: Request,
    new_identifier: NewIdentifier,
    source: DumpSource = "cluster",
    apply: Apply = "workload",
    moved_to: MovedTo = None,
    age_identity_file: IdentityFile = None,
    override: Overrides = None,
    only_check: OnlyCheck = False,
    spec: SpecFile = _SPEC_PATH,
) -> None:
    """Re-onboard the validator's party with a new participant from an identity dump."""
    validator, cluster = _read(spec)
    surroundings = _surroundings(cluster)
    order = ImportOrder(
        dump_id, request, new_identifier, source, apply, age_identity_file, read_overrides(override), moved_to
    )
    if only_check:
        _tell(import_preflight(validator, order, surroundings, cluster))
    else:
        import_identities(validator, order, surroundings, cluster)


def _tell(verdicts: tuple[Verdict, ...]) -> None:
    """Say every verdict; raises RefusedError when one of them is a refusal."""
    for verdict in verdicts:
        print(verdict, flush=True)  # noqa: T201
    refusals = [verdict.name for verdict in verdicts if verdict.outcome is Outcome.REFUSAL]
    if refusals:
        raise RefusedError(f"it would be refused because of {', '.join(refusals)}")
    print("it may begin", flush=True)  # noqa: T201


def _read(path: Path) -> tuple[ValidatorSpec, Cluster]:
    spec = _read_spec(path)
    return spec, connect(spec.namespace, patience=API_SILENCE, say=_say)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the job's log is its voice


def _read_spec(path: Path) -> ValidatorSpec:
    try:
        return ValidatorSpec.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise SpecError(f"{path} is not there; mount the ConfigMap catalyx-dr-<validator>, or give --spec") from None
    except ValidationError as error:
        faults = "\n".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise SpecError(f"{path} is no valid validator specification:\n{faults}") from None


@contextmanager
def _scheduled(kind: RecordKind, validator: ValidatorSpec, cluster: Cluster) -> Iterator[Surroundings]:
    """A run that nobody watches: its failure is told, also when its deadline or its node ends it."""
    surroundings = _surroundings(cluster)
    with alerting(kind, validator, surroundings, cluster):
        yield surroundings


def _surroundings(cluster: Cluster) -> Surroundings:
    return Surroundings(records=ClusterRecords(cluster), leases=ClusterLeases(cluster))
