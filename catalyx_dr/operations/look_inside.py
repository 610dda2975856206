"""Looks at a validator from a pod of its cluster: databases, store, Keycloak, API, volume. Changes nothing."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from catalyx_dr.adapters import canton_database
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.http_peer import Patience
from catalyx_dr.adapters.keycloak import AccessToken, LoginError, machine_token, user_token
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.validator_api import ValidatorApiError, ValidatorClient
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError, UnreachableError
from catalyx_dr.model.inside_facts import DatabaseLook, InsideFacts, Problem
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.dump_identities import machine_login
from catalyx_dr.operations.identity_proof import wallet_login
from catalyx_dr.rules.identity import read_dump

_QUICK = Patience(timeout=10, attempts=2)


def look_inside(spec: ValidatorSpec, secrets: SecretFiles, volume: Path = Path("/backups")) -> InsideFacts:
    """Ask everything once; what does not answer becomes a fact, never an error."""
    facts: dict[str, Any] = {
        "databases": tuple(_database(spec, role, secrets) for role in DatabaseRole),
        "participant_like": _participant_like(spec, secrets),
        "bucket": _problem_of(lambda: _check_bucket(spec, secrets)),
        **_api(spec, secrets),
    }
    if spec.backup is not None and spec.backup.volume is not None and volume.is_dir():
        usage = shutil.disk_usage(volume)
        facts |= {"volume_bytes": usage.total, "volume_free": usage.free}
    return InsideFacts(**facts)


def _database(spec: ValidatorSpec, role: DatabaseRole, secrets: SecretFiles) -> DatabaseLook:
    database = spec.databases.of(role)
    try:
        server = PostgresServer.reach(spec.databases.server_of(role), secrets)
        with server.connect(database.name) as connection:
            canton_database.check_is_database_of(connection, role, database)
            is_participant = role is DatabaseRole.PARTICIPANT
            return DatabaseLook(
                role=role,
                ledger_offset=canton_database.ledger_offset(connection, role, database.schema_name),
                participant_id=canton_database.participant_id(connection, database.schema_name)
                if is_participant
                else None,
            )
    except CatalyxDrError as error:
        return DatabaseLook(role=role, problem=_problem(error))


def _participant_like(spec: ValidatorSpec, secrets: SecretFiles) -> tuple[str, ...]:
    """Splice's own pattern is `participant%` (domain 1.4)."""
    declared = {spec.databases.of(role).name for role in DatabaseRole}
    try:
        server = PostgresServer.reach(spec.databases.server_of(DatabaseRole.PARTICIPANT), secrets)
        with server.maintenance() as connection:
            names = [str(name) for (name,) in connection.execute("SELECT datname FROM pg_database ORDER BY 1")]
    except CatalyxDrError:
        return ()
    return tuple(name for name in names if re.match("participant", name) and name not in declared)


def _check_bucket(spec: ValidatorSpec, secrets: SecretFiles) -> None:
    if spec.backup is not None and spec.backup.bucket is not None:
        BucketStore.reach(spec.backup.bucket, secrets).check()


def _api(spec: ValidatorSpec, secrets: SecretFiles) -> dict[str, Any]:
    client = ValidatorClient(spec.api.url, _QUICK)
    found: dict[str, Any] = {"ready": client.is_ready()}
    if found["ready"]:
        found["party_id"] = _answer(lambda: client.validator_user().party_id)
    try:
        token = machine_token(machine_login(spec, secrets), _QUICK)
        found["participant_id"] = read_dump(client.identities(token)).id
    except LoginError as error:
        found["machine_login"] = _problem(error)
    except CatalyxDrError as error:
        found["identities"] = _problem(error)
    return found | _wallet(spec, secrets, client)


def _wallet(spec: ValidatorSpec, secrets: SecretFiles, client: ValidatorClient) -> dict[str, Problem]:
    try:
        login = wallet_login(spec, secrets)
        if login is None:
            return {}
        token = user_token(login, _QUICK)
    except CatalyxDrError as error:
        return {"wallet_login": _problem(error)}
    try:
        return _onboarded(client, token, login.username)
    except CatalyxDrError as error:
        return {"wallet": _problem(error)}


def _onboarded(client: ValidatorClient, token: AccessToken, user: str) -> dict[str, Problem]:
    status = client.user_status(token)
    if status.user_onboarded and status.user_wallet_installed:
        client.balance(token)
        return {}
    text = f"user {user!r} logs in, but is not onboarded at this validator"
    return {"wallet": Problem(kind="not onboarded", text=text)}


def _answer(ask: Callable[[], str]) -> str | None:
    try:
        return ask()
    except CatalyxDrError:
        return None


def _problem_of(check: Callable[[], None]) -> Problem | None:
    try:
        check()
    except CatalyxDrError as error:
        return _problem(error)
    return None


def _problem(error: CatalyxDrError) -> Problem:
    if isinstance(error, (LoginError, ValidatorApiError)):
        kind = str(error.problem)
    else:
        kind = UnreachableError.__name__ if isinstance(error, UnreachableError) else type(error).__name__
    return Problem(kind=kind, text=str(error))
