"""Scan as a process: the public interface of the network's state, and the stand-ins' way to write to it."""

import base64
import json
from decimal import Decimal
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev.validator import http_errors
from dev.validator.ledger import SYNCHRONIZER_ALIAS, VALIDATOR_LICENSE, Contract, amulet
from dev.validator.scan_store import RefusedError, ScanStore
from dev.validator.serving import JsonBody, make_server, post_route, serve
from dev.validator.topology import SignedTransaction

VERSION = {"version": "0.7.4", "commit_ts": "2026-08-21T00:00:00Z"}
FIRST_COINS = Decimal(1000)


class ScanApi:
    """Handlers over the store."""

    def __init__(self, store: ScanStore) -> None:
        self._store = store

    def healthy(self, _request: Request) -> Response:
        """Always 200: the state is a local file."""
        return Response()

    def version(self, _request: Request) -> Response:
        """Version of the interface that this one imitates."""
        return JSONResponse(VERSION)

    def dso_party_id(self, _request: Request) -> Response:
        """Party of the network's operators."""
        return JSONResponse({"dso_party_id": self._store.dso_party()})

    def dso_sequencers(self, _request: Request) -> Response:
        """The one operator's sequencers, by synchronizer; after an upgrade the former ones stay up for a while."""
        active = self._store.synchronizer_serial()
        sequencers = [
            {
                "migrationId": 0,
                "id": f"SEQ::sv-{serial}::{self._store.dso_party().split('::')[1]}",
                "url": f"https://sequencer-{serial}.sv.example",
                "svName": "SV-1",
                "availableAfter": VERSION["commit_ts"],
                "synchronizerSerial": serial,
            }
            for serial in range(max(0, active - 1), active + 1)
        ]
        return JSONResponse(
            {"domainSequencers": [{"domainId": self._store.synchronizer_id(), "sequencers": sequencers}]}
        )

    def active_synchronizer_serial(self, _request: Request) -> Response:
        """Which physical synchronizer is the active one."""
        return JSONResponse({"serial": self._store.synchronizer_serial()})

    def acs(self, request: Request) -> Response:
        """Snapshot of a party's active contracts."""
        contracts = self._store.contracts_of(request.path_params["party"])
        snapshot = json.dumps([contract.to_json() for contract in contracts])
        return JSONResponse({"acs_snapshot": base64.b64encode(snapshot.encode()).decode()})

    def participant_id(self, request: Request) -> Response:
        """Participant that hosts a party at a synchronizer; the stand-ins call it by their alias."""
        party = request.path_params["party"]
        hosting = self._store.hosting(party)
        known = (self._store.synchronizer_id(), SYNCHRONIZER_ALIAS)
        if hosting is None or request.path_params["domain"] not in known:
            raise HTTPException(404, f"No participant id found hosting party: {party}")
        return JSONResponse({"participant_id": hosting[0]})

    def register_participant(self, body: JsonBody) -> Response:
        """Admit a node to the network."""
        transactions = [SignedTransaction.from_json(t) for t in body["transactions"]]
        self._store.register_participant(body["participant_id"], body["instance"], transactions)
        return Response(status_code=204)

    def parties_of(self, request: Request) -> Response:
        """Parties hosted on a participant."""
        return JSONResponse({"parties": self._store.parties_of(request.path_params["participant"])})

    def hosting(self, request: Request) -> Response:
        """A party's hosting with its serial."""
        hosting = self._store.hosting(request.path_params["party"])
        found = {"participant_id": hosting[0], "serial": hosting[1]} if hosting else None
        return JSONResponse({"hosting": found})

    def submit_topology(self, body: JsonBody) -> Response:
        """Accept a signed hosting."""
        self._store.host_party(SignedTransaction.from_json(body["transaction"]))
        return Response(status_code=204)

    def submit_contracts(self, body: JsonBody) -> Response:
        """Record contracts of a party."""
        contracts = [Contract.from_json(contract) for contract in body["contracts"]]
        self._store.add_contracts(body["participant_id"], body["act_as"], contracts)
        return Response(status_code=204)

    def upgrade(self, _body: JsonBody) -> Response:
        """A logical upgrade of the synchronizer."""
        self._store.upgrade_synchronizer()
        return Response(status_code=204)

    def onboard(self, body: JsonBody) -> Response:
        """Exchange a one-time secret for a licence and first coins; a repeated request gets the same contracts."""
        party, participant_id = body["party"], body["participant_id"]
        if self._store.use_secret(body["secret"], party, participant_id):
            dso = self._store.dso_party()
            licence = Contract.create(VALIDATOR_LICENSE, {"dso": dso, "validator": party, "sponsor": dso})
            self._store.add_contracts(participant_id, party, [licence, amulet(dso, party, FIRST_COINS)])
        contracts = self._store.contracts_of(party)
        return JSONResponse({"contracts": [contract.to_json() for contract in contracts]})


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return JSONResponse({"error": str(error)}, status_code=error.status)


def make_app(store: ScanStore) -> Starlette:
    """Routes of Scan."""
    api = ScanApi(store)
    routes = [
        Route("/api/scan/readyz", api.healthy),
        Route("/api/scan/livez", api.healthy),
        Route("/api/scan/version", api.version),
        Route("/api/scan/v0/dso-party-id", api.dso_party_id),
        Route("/api/scan/v0/dso-sequencers", api.dso_sequencers),
        Route("/api/scan/v0/active-synchronizer-serial", api.active_synchronizer_serial),
        Route("/api/scan/v0/acs/{party}", api.acs),
        Route("/api/scan/v0/domains/{domain}/parties/{party}/participant-id", api.participant_id),
        post_route("/internal/participants", api.register_participant),
        Route("/internal/participants/{participant}/parties", api.parties_of),
        Route("/internal/parties/{party}", api.hosting),
        post_route("/internal/topology", api.submit_topology),
        post_route("/internal/contracts", api.submit_contracts),
        post_route("/internal/synchronizer-upgrade", api.upgrade),
        post_route("/internal/onboarding", api.onboard),
    ]
    return Starlette(routes=routes, exception_handlers={**http_errors.HANDLERS, RefusedError: _refused})


def run(host: str, port: int, file: str) -> None:
    """Serve the state kept in an SQLite file."""
    serve(make_server(make_app(ScanStore(Path(file)))), host, [port])
