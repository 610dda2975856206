"""Scan, the network's public interface: who hosts a party, and the serial of the synchronizer (domain 6)."""

import json
from typing import Any

from catalyx_dr.adapters.http_peer import PATIENT, Patience, get
from catalyx_dr.model.errors import UnreachableError

_BASE = "/api/scan/v0"


class ScanClient:
    """Asks one Scan; `url` has no path. Every answer is public, so that no token is sent."""

    def __init__(self, url: str, patience: Patience = PATIENT) -> None:
        self._url = url.rstrip("/") + _BASE
        self._patience = patience

    def synchronizer_serial(self) -> int | None:
        """Serial of the active synchronizer: it counts logical upgrades. None where this Scan does not tell it."""
        answer = self._read("/active-synchronizer-serial", missing_is_fine=True)
        serial = answer.get("serial") if answer else None
        return serial if isinstance(serial, int) else None

    def participant_of(self, party: str) -> str | None:
        """Participant that hosts the party, or None when there is none; raises UnreachableError."""
        answer = self._read(f"/domains/{self._domain()}/parties/{party}/participant-id", missing_is_fine=True)
        return str(answer["participant_id"]) if answer and "participant_id" in answer else None

    def _domain(self) -> str:
        """Id of the synchronizer; by the network's own naming where this Scan lists no sequencers."""
        answer = self._read("/dso-sequencers", missing_is_fine=True)
        ids = {one.get("domainId") for one in answer.get("domainSequencers", [])} if answer else set()
        if len(ids) == 1:
            return str(ids.pop())
        dso = self._read("/dso-party-id") or {}
        return f"global-domain::{str(dso.get('dso_party_id', '')).split('::')[-1]}"

    def _read(self, path: str, *, missing_is_fine: bool = False) -> dict[str, Any] | None:
        try:
            answer = get(self._url + path, patience=self._patience)
        except UnreachableError as error:
            raise UnreachableError(f"Scan: {error}; check target.scanUrl") from None
        if answer.status == 404 and missing_is_fine:
            return None
        try:
            body = json.loads(answer.content)
        except ValueError:
            body = None
        if answer.status != 200 or not isinstance(body, dict):
            raise UnreachableError(
                f"Scan: {self._url}{path} answered {answer.status}, which is no answer of Scan; check target.scanUrl"
            )
        return body
