"""`catalyx-dr adopt`: dumps and sets that others made join the history, after the same proof as our own."""

import re
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from lightkube.resources.core_v1 import Secret

from catalyx_dr.adapters.cluster import connect, explained
from catalyx_dr.adapters.recovery_jobs import installed
from catalyx_dr.cli.options import Context, Kubeconfig, Namespace, Validator
from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.operations.adopt_in_cluster import adopt_dump_from_file, adopt_dump_from_secret, adopt_pair
from catalyx_dr.operations.surroundings import utc_now
from catalyx_dr.rules.identity import read_dump

# Splice's periodic backup names its files participant_identities_<ISO instant>.json (domain 2).
_INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}[:_-]?\d{2}[:_-]?\d{2})")
PartyId = Annotated[
    str | None, typer.Option(help="<party hint>::<fingerprint> of the operator, where history knows nothing yet")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Take what others captured into the history, after proof.", no_args_is_help=True)
    group.command("dump")(dump)
    group.command("set")(databases)
    app.add_typer(group, name="adopt", rich_help_panel="For people")


def dump(
    namespace: Namespace,
    file: Annotated[Path | None, typer.Argument(help="JSON file, as the identities endpoint answers it")] = None,
    secret: Annotated[str | None, typer.Option(help="Secret of the namespace that holds it under content")] = None,
    taken: Annotated[
        datetime | None, typer.Option(help="When it was taken, in UTC; else as file or Secret say")
    ] = None,
    party_id: PartyId = None,
    validator: Validator = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Adopt an identity dump: a file of the endpoint or of Splice's periodic backup, or a Secret of the vendor's."""
    if (file is None) == (secret is None):
        raise RefusedError("give either a file or --secret")
    with closing(connect(namespace, kubeconfig, context)) as cluster:
        protected = installed(cluster, validator)
        if file is not None:
            content = _content(file)
            arguments = _arguments(taken or _taken(file), f"file {file.name}", party_id)
            adopt_dump_from_file(cluster, protected, content, arguments, _say)
            return
        with explained(f"read Secret {namespace}/{secret}"):
            metadata = cluster.client.get(Secret, str(secret), namespace=namespace).metadata
        created = metadata.creationTimestamp if metadata else None
        arguments = _arguments(taken or created or utc_now(), f"Secret {secret}", party_id)
        adopt_dump_from_secret(cluster, protected, str(secret), arguments, _say)


def databases(
    name: Annotated[str, typer.Argument(help="Folder below incoming/ of the volume, or of the validator's prefix")],
    namespace: Namespace,
    source: Annotated[str, typer.Option(help="volume or bucket")] = "volume",
    time_zone: Annotated[str, typer.Option(help="Zone of the machine that made the dumps")] = "Etc/UTC",
    party_id: PartyId = None,
    validator: Validator = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Adopt a pair of dumps of pg_dump: incoming/NAME/validator-app and incoming/NAME/participant, files or folders."""
    if re.fullmatch(r"[A-Za-z0-9._-]+", name) is None or name in (".", ".."):
        raise RefusedError(f"{name!r} is no name of a folder below incoming/; use letters, digits, '.', '-' and '_'")
    arguments = ("--source", source, "--time-zone", time_zone, *(("--party-id", party_id) if party_id else ()))
    with closing(connect(namespace, kubeconfig, context)) as cluster:
        adopt_pair(cluster, installed(cluster, validator), name, arguments, _say)


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RefusedError(f"{file} cannot be read: {error.strerror}") from None
    try:
        read_dump(content)
    except UnprovenError as error:
        raise RefusedError(f"{file}: {error}") from None
    return content


def _taken(file: Path) -> datetime:
    found = _INSTANT.search(file.name)
    if found is None:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    date, _, clock = found[1].partition("T")
    return datetime.strptime(date + re.sub(r"\D", "", clock), "%Y-%m-%d%H%M%S").replace(tzinfo=UTC)


def _arguments(taken: datetime, origin: str, party_id: str | None) -> tuple[str, ...]:
    moment = taken if taken.tzinfo else taken.replace(tzinfo=UTC)
    told = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return ("--taken", told, "--origin", origin, *(("--party-id", party_id) if party_id else ()))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
