"""Client of Scan: the public interface, and what the stand-ins write to it in place of the synchronizer."""

import base64
import json
from typing import Any
from urllib.parse import quote

from dev.validator.internal_client import CallRefusedError, InternalClient
from dev.validator.ledger import SYNCHRONIZER_ALIAS, Contract


class ScanClient:
    """Calls to one Scan."""

    def __init__(self, base_url: str) -> None:
        self._calls = InternalClient(base_url)

    def dso_party_id(self) -> str:
        """Party of the network's operators."""
        return str(self._calls.get("/api/scan/v0/dso-party-id")["dso_party_id"])

    def acs(self, party: str) -> list[Contract]:
        """Active contracts of a party, as far as the network's operators see them."""
        snapshot = self._calls.get(f"/api/scan/v0/acs/{quote(party)}")["acs_snapshot"]
        return [Contract.from_json(contract) for contract in json.loads(base64.b64decode(snapshot))]

    def participant_of(self, party: str) -> str | None:
        """The participant that hosts a party, or None when the party is unknown."""
        path = f"/api/scan/v0/domains/{SYNCHRONIZER_ALIAS}/parties/{quote(party)}/participant-id"
        try:
            return str(self._calls.get(path)["participant_id"])
        except CallRefusedError as error:
            if error.status == 404:
                return None
            raise

    def register_participant(self, participant_id: str, instance: str, transactions: list[dict[str, Any]]) -> None:
        """Register a node; CallRefusedError 409 when another installation used the identifier."""
        body = {"participant_id": participant_id, "instance": instance, "transactions": transactions}
        self._calls.post("/internal/participants", body)

    def parties_of(self, participant_id: str) -> list[str]:
        """Parties hosted on a participant."""
        return list(self._calls.get(f"/internal/participants/{quote(participant_id)}/parties")["parties"])

    def party_hosting(self, party: str) -> dict[str, Any] | None:
        """`participant_id` and `serial` of a party's present hosting, or None."""
        hosting: dict[str, Any] | None = self._calls.get(f"/internal/parties/{quote(party)}")["hosting"]
        return hosting

    def submit_topology(self, transaction: dict[str, Any]) -> None:
        """Submit a signed hosting of a party."""
        self._calls.post("/internal/topology", {"transaction": transaction})

    def submit_contracts(self, participant_id: str, act_as: str, contracts: list[dict[str, Any]]) -> None:
        """Submit contracts of a party that the participant hosts."""
        body = {"participant_id": participant_id, "act_as": act_as, "contracts": contracts}
        self._calls.post("/internal/contracts", body)

    def onboard(self, secret: str, participant_id: str, party: str) -> list[Contract]:
        """Exchange a one-time onboarding secret for a licence and first coins."""
        body = {"secret": secret, "participant_id": participant_id, "party": party}
        contracts = self._calls.post("/internal/onboarding", body)["contracts"]
        return [Contract.from_json(contract) for contract in contracts]
