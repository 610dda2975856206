"""The validator app's HTTP interface, as far as backup, recovery and their proof use it (domain 1.3, 6)."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
from psycopg_pool import PoolTimeout
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from dev.validator import http_errors
from dev.validator.app_store import AppStore
from dev.validator.ingestion import Ingestion
from dev.validator.internal_client import CallRefusedError
from dev.validator.ledger import SYNCHRONIZER_ALIAS, Contract, amulet, current_round, format_amount, parse_amount
from dev.validator.ledger_users import CAN_ACT_AS, CAN_READ_AS, PARTICIPANT_ADMIN, LedgerUser
from dev.validator.participant_client import ParticipantClient
from dev.validator.scan_client import ScanClient
from dev.validator.tokens import TokenVerifier, UnauthorizedError

LOG = logging.getLogger(__name__)

VERSION = "0.7.4"
WAIT_FOR_INGESTION_SECONDS = 5.0

Json = dict[str, Any]
UserHandler = Callable[["OpenApp", LedgerUser, Json], Json]


@dataclass(frozen=True)
class OpenApp:
    """What the handlers need, once the start is over."""

    operator_party: str
    ledger_api_user: str
    participant: ParticipantClient
    scan: ScanClient
    store: AppStore
    ingestion: Ingestion


class AppApi:
    """Authentication and routing; `opened` is None while the app starts."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier
        self.opened: OpenApp | None = None

    def live(self, _request: Request) -> Response:
        """200 as long as the process runs."""
        return Response()

    def ready(self, _request: Request) -> Response:
        """200 when the start is over and database and participant answer."""
        try:
            if self.opened is None:
                return Response(status_code=503)
            self.opened.store.check()
            self.opened.participant.status()
        except (psycopg.Error, PoolTimeout, httpx2.HTTPError, CallRefusedError):
            return Response(status_code=503)
        return Response()

    def open_app(self) -> OpenApp:
        """The app after its start; HTTPException 503 before."""
        if self.opened is None:
            raise HTTPException(503, "the validator app is starting")
        return self.opened

    def authenticated_user(self, request: Request) -> tuple[OpenApp, LedgerUser]:
        """The ledger user of the request's token; one without rights when the participant has none of that name.

        Raises HTTPException 401 without a valid token, 503 before the start is over.
        """
        try:
            subject = self._verifier.subject(request.headers.get("authorization"))
        except UnauthorizedError as error:
            raise HTTPException(401, str(error)) from None
        opened = self.open_app()
        users = {user.user_id: user for user in opened.participant.users()}
        return opened, users.get(subject, LedgerUser(subject, None, False, frozenset()))

    def administrator(self, request: Request) -> tuple[OpenApp, LedgerUser]:
        """As `authenticated_user`; HTTPException 403 unless the user administers participant and operator party."""
        opened, user = self.authenticated_user(request)
        needed = {(PARTICIPANT_ADMIN, None), (CAN_ACT_AS, opened.operator_party)}
        is_operator = user.primary_party == opened.operator_party and needed <= user.rights
        if user.is_deactivated or not is_operator:
            raise HTTPException(403, f"User {user.user_id} is not authorized as the validator's operator")
        return opened, user


def _status(opened: OpenApp, user: LedgerUser, _body: Json) -> Json:
    onboarded = user.primary_party is not None
    return {
        "party_id": user.primary_party or "",
        "user_onboarded": onboarded,
        "user_wallet_installed": onboarded,
        "has_featured_app_right": False,
    }


def _wallet_party(user: LedgerUser) -> str:
    if user.primary_party is None:
        raise HTTPException(404, f"No wallet found for user {user.user_id}")
    return user.primary_party


def _balance(opened: OpenApp, user: LedgerUser, _body: Json) -> Json:
    return {
        "round": current_round(),
        "effective_unlocked_qty": format_amount(opened.store.balance(_wallet_party(user))),
        "effective_locked_qty": "0.0000000000",
        "total_holding_fees": "0.0000000000",
    }


def _amulets(opened: OpenApp, user: LedgerUser, _body: Json) -> Json:
    def position(contract: Contract) -> Json:
        return {
            "contract": {"contract": contract.to_json(), "domain_id": SYNCHRONIZER_ALIAS},
            "round": current_round(),
            "accrued_holding_fee": "0.0000000000",
            "effective_amount": contract.payload["amount"]["initialAmount"],
        }

    amulets = opened.store.amulets(_wallet_party(user))
    return {"amulets": [position(contract) for contract in amulets], "locked_amulets": []}


def _tap(opened: OpenApp, user: LedgerUser, body: Json) -> Json:
    party = _wallet_party(user)
    contract = amulet(opened.scan.dso_party_id(), party, parse_amount(body.get("amount")))
    command_id = str(body.get("command_id") or uuid.uuid4())
    offset = opened.participant.submit(party, contract, command_id)
    if not opened.ingestion.wait_for(offset, WAIT_FOR_INGESTION_SECONDS):
        # As in reality a participant that lags behind the app's offset goes unnoticed (domain 4).
        LOG.info("offset %d is not ingested yet", offset)
    return {"contract_id": contract.contract_id}


def _identities(opened: OpenApp, _user: LedgerUser, _body: Json) -> Json:
    return {**opened.participant.identities(), "version": VERSION}


def _list_users(opened: OpenApp, _user: LedgerUser, _body: Json) -> Json:
    users = opened.participant.users()
    return {"usernames": [user.user_id for user in users if user.primary_party is not None]}


def _onboard_user(opened: OpenApp, _user: LedgerUser, body: Json) -> Json:
    name = str(body["name"]) if body.get("name") else ""
    if not name:
        raise HTTPException(400, "name: missing")
    namespace = opened.operator_party.rsplit("::", 1)[-1]
    party = str(body.get("party_id") or f"{name}::{namespace}")
    if opened.scan.participant_of(party) is None:
        opened.participant.host_party(party)
    opened.participant.upsert_user(name, party, [(CAN_ACT_AS, party), (CAN_READ_AS, party)])
    return {"party_id": party}


def _connection_config(_opened: OpenApp, _user: LedgerUser, _body: Json) -> Json:
    connection = {
        "sequencer_alias": "stand-in",
        "endpoints": ["sequencer.invalid:443"],
        "transport_security": True,
    }
    return {
        "sequencer_connections": {
            "connections": [connection],
            "sequencer_trust_threshold": 1,
            "submission_request_amplification": {"factor": 1, "patience_seconds": 5},
            "sequencer_liveness_margin": 0,
        }
    }


def _with_user(api: AppApi, path: str, handler: UserHandler, *, admin: bool, method: str = "GET") -> Route:
    authenticate = api.administrator if admin else api.authenticated_user

    def answer(request: Request, body: Json) -> Response:
        opened, user = authenticate(request)
        return JSONResponse(handler(opened, user, body))

    async def endpoint(request: Request) -> Response:
        body = await request.json() if method == "POST" else {}
        if not isinstance(body, dict):
            raise HTTPException(400, "a JSON object is needed")
        return await run_in_threadpool(answer, request, body)

    return Route(path, endpoint, methods=[method])


def make_app(api: AppApi) -> Starlette:
    """Routes of the validator app, under /api/validator; health also at the root."""

    def validator_user(_request: Request) -> Response:
        opened = api.open_app()
        user, party = opened.ledger_api_user, opened.operator_party
        return JSONResponse({"party_id": party, "user_name": user, "featured": False})

    def dso_party_id(request: Request) -> Response:
        opened, _ = api.authenticated_user(request)
        return JSONResponse({"dso_party_id": opened.scan.dso_party_id()})

    health = [Route("/readyz", api.ready), Route("/livez", api.live)]
    admin = "/v0/admin"
    routes = [
        *health,
        Route("/v0/validator-user", validator_user),
        Route("/v0/scan-proxy/dso-party-id", dso_party_id),
        _with_user(api, "/v0/wallet/user-status", _status, admin=False),
        _with_user(api, "/v0/wallet/balance", _balance, admin=False),
        _with_user(api, "/v0/wallet/amulets", _amulets, admin=False),
        _with_user(api, "/v0/wallet/tap", _tap, admin=False, method="POST"),
        _with_user(api, f"{admin}/participant/identities", _identities, admin=True),
        _with_user(api, f"{admin}/participant/global-domain-connection-config", _connection_config, admin=True),
        _with_user(api, f"{admin}/users", _list_users, admin=True),
        _with_user(api, f"{admin}/users", _onboard_user, admin=True, method="POST"),
    ]
    return Starlette(routes=[*health, Mount("/api/validator", routes=routes)], exception_handlers=http_errors.HANDLERS)
