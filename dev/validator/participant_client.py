"""Client of the participant's internal interface, as the validator app uses it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dev.validator.internal_client import InternalClient
from dev.validator.ledger import Contract
from dev.validator.ledger_users import LedgerUser, Right


@dataclass(frozen=True)
class ParticipantStatus:
    """What the participant says of itself; `participant_id` is None before initialisation."""

    participant_id: str | None
    namespace: str | None
    ledger_end: int
    parties: list[str]
    has_validator_license: bool


class ParticipantClient:
    """Calls to one participant."""

    def __init__(self, admin_url: str) -> None:
        self._calls = InternalClient(admin_url)

    def status(self) -> ParticipantStatus:
        """Identity, ledger's end, parties."""
        return ParticipantStatus(**self._calls.get("/internal/status"))

    def import_keys(self, keys: list[dict[str, str]]) -> None:
        """Import the keys of an identity dump."""
        self._calls.post("/internal/keys", {"keys": keys})

    def initialise(self, identifier: str, snapshot: str | None = None) -> str:
        """Give the node its identity; returns the participant id."""
        body = {"identifier": identifier, "snapshot": snapshot}
        return str(self._calls.post("/internal/init", body)["participant_id"])

    def connect(self, synchronizer_url: str) -> None:
        """Connect to the synchronizer."""
        self._calls.post("/internal/synchronizers", {"url": synchronizer_url})

    def host_party(self, party: str) -> None:
        """Host a party of the participant's namespace."""
        self._calls.post("/internal/parties", {"party": party})

    def submit(self, act_as: str, contract: Contract, command_id: str) -> int:
        """Create a contract; returns its offset."""
        body = {"act_as": act_as, "contract": contract.to_json(), "command_id": command_id}
        return int(self._calls.post("/internal/contracts", body)["offset"])

    def import_contracts(self, contracts: Sequence[Contract]) -> None:
        """Add contracts that exist on the network."""
        self._calls.post("/internal/acs", {"contracts": [contract.to_json() for contract in contracts]})

    def add_history(self, owner: str, updates: int) -> None:
        """Fill the ledger with updates of an application of the owner's own."""
        self._calls.post("/internal/history", {"owner": owner, "updates": updates})

    def updates(self, after: int) -> list[dict[str, Any]]:
        """Updates after an offset."""
        return list(self._calls.get("/internal/updates", after=after)["updates"])

    def identities(self) -> dict[str, Any]:
        """Keys and topology, for the identity dump."""
        return dict(self._calls.get("/internal/identities"))

    def users(self) -> list[LedgerUser]:
        """All ledger users."""
        return [
            LedgerUser(
                user["id"],
                user["primary_party"],
                user["is_deactivated"],
                frozenset((right, party) for right, party in user["rights"]),
            )
            for user in self._calls.get("/internal/users")["users"]
        ]

    def upsert_user(self, user_id: str, primary_party: str, rights: Sequence[Right]) -> None:
        """Create or extend a ledger user."""
        body = {"id": user_id, "primary_party": primary_party, "rights": [list(right) for right in rights]}
        self._calls.post("/internal/users", body)
