"""`catalyx-dr review`: Markdown for a pull request that changes a stack file."""

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from catalyx_dr.adapters import backup_claims
from catalyx_dr.adapters.cluster import connect
from catalyx_dr.adapters.cluster_facts import observe
from catalyx_dr.adapters.git_history import Revision
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.adapters.stack_files import StackFile, StackProject
from catalyx_dr.cli.options import Context, Kubeconfig
from catalyx_dr.model.environment_spec import EnvironmentSpec, RecoveryRequest
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, SpecError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import READ_SET, RecordKind
from catalyx_dr.rules.encrypted_values import load_unopened
from catalyx_dr.rules.recovery import RequestSight, request_sight
from catalyx_dr.rules.review import Base, Review, judged, page, refused_page
from catalyx_dr.rules.review.engine_preview import EnginePreview, read_preview
from catalyx_dr.rules.review.stack_review import Observed

_REFUSED = 2


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("review", rich_help_panel="For people")(review)


def review(
    stack: Annotated[str, typer.Option(help="Name of the stack (prod), or its file")],
    base: Annotated[str | None, typer.Option(help="Branch, tag or commit to compare with, as origin/main")] = None,
    preview_json: Annotated[
        Path | None, typer.Option(help="Output of pulumi preview --json; - reads it from standard input")
    ] = None,
    cluster: Annotated[bool, typer.Option("--cluster", help="Also look at the cluster, read-only")] = False,
    folder: Annotated[Path, typer.Option(help="Folder of the Pulumi project, or one in it")] = Path(),
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Say what a stack file changes, and judge it; exit code 2 when an error stands. Needs no secret of the stack."""
    project = StackProject.around(folder)
    before = _base(project, stack, base) if base is not None else None
    try:
        file = project.read(stack)
        spec, encrypted = load_unopened(file.settings)
    except SpecError as error:
        _print(refused_page(stack, str(error).splitlines()))
        raise typer.Exit(_REFUSED) from None
    reviewed = judged(
        Review(
            stack=stack,
            spec=spec,
            now=datetime.now(UTC),
            base=before,
            encrypted=encrypted,
            preview=_preview(preview_json, spec) if preview_json else None,
            observed=_observed(spec, file, kubeconfig, context) if cluster else None,
        )
    )
    _print(page(reviewed))
    if reviewed.refused:
        raise typer.Exit(_REFUSED)


def _base(project: StackProject, stack: str, name: str) -> Base:
    revision = Revision.named(project.folder, name)
    path = project.path(stack)
    text = revision.text(path)
    if text is None:
        return Base(name, revision.commit, None, f"it has no {path.name}, so that everything is new")
    try:
        return Base(name, revision.commit, load_unopened(project.parse(text, path.name).settings)[0])
    except SpecError as error:
        return Base(name, revision.commit, None, f"its {path.name} cannot be read ({str(error).splitlines()[0]})")


def _preview(path: Path, spec: EnvironmentSpec) -> EnginePreview:
    try:
        return read_preview(_document(path), spec)
    except (AttributeError, TypeError):
        raise RefusedError(
            f"--preview-json {path} is no preview of an engine; write it with pulumi preview --json"
        ) from None


def _document(path: Path) -> Mapping[str, Any]:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        document, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except OSError as error:
        raise RefusedError(f"--preview-json {path}: {error.strerror}; write it with pulumi preview --json") from None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RefusedError(f"--preview-json {path} is no JSON of an engine; write it with pulumi preview --json")
    return document


def _observed(spec: EnvironmentSpec, file: StackFile, kubeconfig: str | None, context: str | None) -> Observed:
    """What the cluster tells; without an answer the review goes on, and says so."""
    claims = {
        (validator.namespace, ObjectNames.of(validator).volume_claim): validator.name for validator in spec.validators
    }
    configured = (kubeconfig or file.cluster.get("kubeconfig"), context or file.cluster.get("context"))
    try:
        reached = connect(spec.validators[0].namespace, *configured)
        facts, refused = observe(reached, spec)
        sizes = backup_claims.requested_sizes(reached, claims)
    except CatalyxDrError as error:
        return Observed(unanswered=str(error))
    denied = f"{', '.join(refused)}, which the identity in use may not read" if refused else ""
    volumes = {claims[place]: size for place, size in sizes.items()}
    return Observed(facts, volumes, dict(_requests(spec, configured)), denied)


def _requests(spec: EnvironmentSpec, configured: tuple[str | None, str | None]) -> Iterator[tuple[str, RequestSight]]:
    """What the records of the validators tell of the recoveries that are asked for."""
    if spec.restore is not None:
        captures = (RecordKind.BACKUP_SET, "backup set", READ_SET)
        yield "restore", _sight(spec, spec.restore, spec.restore.set, RecordKind.RESTORE, captures, configured)
    if spec.identity_import is not None:
        request, captures = spec.identity_import, (RecordKind.IDENTITY_DUMP, "identity dump", "dump")
        yield "identity_import", _sight(spec, request, request.dump, RecordKind.IDENTITY_IMPORT, captures, configured)


def _sight(
    spec: EnvironmentSpec,
    request: RecoveryRequest,
    selector: str,
    kind: RecordKind,
    captures: tuple[RecordKind, str, str],
    configured: tuple[str | None, str | None],
) -> RequestSight:
    taken_as, words, detail = captures
    try:
        records = ClusterRecords(connect(spec.validator(request.validator).namespace, *configured))
        earlier = records.find(kind, request.validator, request.request_id)
        return request_sight(
            selector, request.source, words, records.list(request.validator, taken_as), earlier, detail
        )
    except CatalyxDrError as error:
        return RequestSight(problem=f"they cannot be read ({error})")


def _print(text: str) -> None:
    print(text, end="")  # noqa: T201
