"""Proof that a validator is back: its participant, its operator's party, and its wallet user's balance."""

from dataclasses import dataclass

from pydantic import JsonValue

from catalyx_dr.adapters.keycloak import UserLogin, machine_token, user_token
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.validator_api import Balance, ValidatorClient
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.dump_identities import machine_login
from catalyx_dr.operations.network_proof import prove_hosting
from catalyx_dr.rules.identity import fingerprint_of, identifier_of, read_dump


@dataclass(frozen=True)
class Proof:
    """What the validator itself said; `balance` is None when no wallet login is declared."""

    participant_id: str
    party_id: str
    balance: Balance | None
    at_scan: bool

    @property
    def details(self) -> dict[str, JsonValue]:
        """For the record."""
        found: dict[str, JsonValue] = {"participantId": self.participant_id, "partyId": self.party_id}
        if self.balance is not None:
            found["balance"] = str(self.balance.effective_unlocked_qty)
            found["balanceLocked"] = str(self.balance.effective_locked_qty)
        proofs = ["readiness", "identities", "validator-user"]
        proofs += [*(["wallet"] if self.balance else []), *(["scan"] if self.at_scan else [])]
        return {**found, "provenBy": [*proofs]}

    def __str__(self) -> str:
        text = f"{self.participant_id} hosts {self.party_id}"
        return f"{text}, the wallet holds {self.balance.effective_unlocked_qty} CC" if self.balance else text


def wallet_login(spec: ValidatorSpec, secrets: SecretFiles) -> UserLogin | None:
    """Login of the wallet user from the mounted Secrets; None when none is declared."""
    declared = spec.api.wallet_login
    if declared is None:
        return None
    return UserLogin(
        url=secrets.read(declared.client_secret, declared.url_key),
        client_id=secrets.read(declared.client_secret, declared.client_id_key),
        username=secrets.read(declared.user_secret, declared.username_key),
        password=secrets.read(declared.user_secret, declared.password_key),
        audience=spec.api.credentials.audience,
    )


def prove(spec: ValidatorSpec, secrets: SecretFiles, identifier: str, fingerprint: str, party: str) -> Proof:
    """Ask the validator who it is and what its wallet holds.

    Raises UnprovenError when it is not `identifier` in the namespace `fingerprint` with `party`, or when the wallet
    user is not onboarded; LoginError or ValidatorApiError when it cannot be asked.
    """
    client = ValidatorClient(spec.api.url)
    participant = read_dump(client.identities(machine_token(machine_login(spec, secrets)))).id
    if fingerprint_of(participant) != fingerprint:
        raise UnprovenError(
            f"the validator runs as {participant}, its keys should be those of namespace {fingerprint}; "
            "it did not read the dump: check that participantIdentitiesDumpImport reached it and its database was fresh"
        )
    if identifier_of(participant) != identifier:
        raise UnprovenError(f"the validator runs as {participant}, its identifier should be {identifier!r}")
    found = client.validator_user().party_id
    if found != party:
        raise UnprovenError(f"the validator's operator is {found}, it should be {party}; check validatorPartyHint")
    login, way_out = wallet_login(spec, secrets), "check validatorWalletUsers, or onboard the user again"
    balance = wallet_balance(client, login, way_out) if login else None
    return Proof(participant, found, balance, at_scan=prove_hosting(spec, party, participant) is not None)


def wallet_balance(client: ValidatorClient, login: UserLogin, way_out: str) -> Balance:
    """What the wallet user has, logged in at Keycloak as the person does; raises UnprovenError when not onboarded."""
    token = user_token(login)
    status = client.user_status(token)
    if not (status.user_onboarded and status.user_wallet_installed):
        raise UnprovenError(f"wallet user {login.username!r} logs in but is not onboarded; {way_out}")
    return client.balance(token)
