"""Proof after a restore: the validator is ready, is the set's participant and party, and its wallet answers."""

from collections.abc import Callable
from datetime import timedelta

from pydantic import JsonValue

from catalyx_dr.adapters.keycloak import UserLogin, machine_token
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.validator_api import ValidatorClient
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.errors import RefusedError, UnprovenError, UnreachableError
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.dump_identities import machine_login
from catalyx_dr.operations.identity_proof import wallet_balance, wallet_login
from catalyx_dr.operations.network_proof import prove_hosting
from catalyx_dr.operations.patience import persistently
from catalyx_dr.rules.identity import read_dump


def prove_restored(
    spec: ValidatorSpec,
    secrets: SecretFiles,
    participant_id: str | None,
    until_ready: timedelta,
    until_answered: timedelta,
    say: Callable[[str], None],
) -> dict[str, JsonValue]:
    """Wait until the validator is ready, then ask it; returns what it said, for the record.

    `participant_id`: of the databases that are in place now; None when it is not known.

    Raises UnprovenError when it is another participant or party, UnreachableError when it does not answer in time.
    """
    client = ValidatorClient(spec.api.url)
    _wait_until_ready(client, spec, until_ready)
    user = persistently(client.validator_user, until_answered)
    if user.party_hint != spec.party_hint:
        raise UnprovenError(
            f"the validator's operator is {user.party_id}, its party hint should be {spec.party_hint}; "
            "check which databases and party hint its chart has"
        )
    details: dict[str, JsonValue] = {"partyId": user.party_id}
    ask_participant = _participant(spec, secrets, client, say)
    proofs: list[JsonValue] = ["readiness", "validator-user"]
    if ask_participant is not None:
        found = persistently(ask_participant, until_answered)
        _check_participant(found, participant_id)
        details["participantId"] = participant_id = found
        proofs.append("identities")
    login = wallet_login(spec, secrets)
    if login is not None:
        details |= persistently(lambda: _wallet(client, login), until_answered)
        proofs.append("wallet")
    if participant_id is not None:
        wanted = participant_id
        hosted = persistently(lambda: prove_hosting(spec, user.party_id, wanted), until_answered)
        proofs += ["scan"] if hosted else []
    return {**details, "provenBy": proofs}


def _wallet(client: ValidatorClient, login: UserLogin) -> dict[str, JsonValue]:
    lost = "whoever was onboarded after the set was taken must be onboarded again, then run the same request again"
    balance = wallet_balance(client, login, lost)
    return {
        "balance": str(balance.effective_unlocked_qty),
        "balanceLocked": str(balance.effective_locked_qty),
    }


def _participant(
    spec: ValidatorSpec, secrets: SecretFiles, client: ValidatorClient, say: Callable[[str], None]
) -> Callable[[], str] | None:
    """How to ask for the participant's id; None when the machine login is not mounted."""
    try:
        login = machine_login(spec, secrets)
    except RefusedError as error:
        say(f"the participant's id was not asked for: {error}")
        return None
    return lambda: read_dump(client.identities(machine_token(login))).id


def _check_participant(found: str, wanted: str | None) -> None:
    if wanted not in (None, found):
        raise UnprovenError(
            f"the validator runs as {found}, the databases are of {wanted}; "
            "its participant uses another database than databases.participant.name"
        )


def _wait_until_ready(client: ValidatorClient, spec: ValidatorSpec, patience: timedelta) -> None:
    if not came_true(client.is_ready, patience):
        raise UnreachableError(
            f"after {int(patience.total_seconds())} s the validator at {spec.api.url} is not ready; look at its log"
        )
