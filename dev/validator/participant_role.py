"""The participant as a process: its internal HTTP interface, used by the validator app, and its health endpoint.

The real one speaks gRPC on the same ports; nothing of the product talks to it.
"""

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dev.validator import http_errors
from dev.validator.keys import KeyPair
from dev.validator.ledger import TEMPLATES_SEEN_BY_SCAN, Contract
from dev.validator.participant_store import Identity, ParticipantStore
from dev.validator.postgres import DatabaseAddress, connect_when_there, create_tables, open_pool
from dev.validator.scan_client import ScanClient
from dev.validator.serving import JsonBody, make_server, post_route, serve
from dev.validator.topology import decode_snapshot, encode_snapshot

UPDATES_LIMIT = 500


def read_database_address(environment: Mapping[str, str]) -> DatabaseAddress:
    """Read the chart's CANTON_PARTICIPANT_POSTGRES_* variables (domain 1.2); KeyError names a missing one."""
    prefix = "CANTON_PARTICIPANT_POSTGRES_"
    return DatabaseAddress(
        host=environment[prefix + "SERVER"],
        port=int(environment.get(prefix + "PORT", "5432")),
        database=environment[prefix + "DB"],
        schema=environment.get(prefix + "SCHEMA", "participant"),
        user=environment.get(prefix + "USER", "cnadmin"),
        password=environment[prefix + "PASSWORD"],
    )


class ParticipantApi:
    """Handlers; they run in worker threads, since the store blocks."""

    def __init__(self, store: ParticipantStore, admin_user: str) -> None:
        self._store = store
        self._admin_user = admin_user

    def health(self, _request: Request) -> Response:
        """200 while the database answers; a node that waits to be initialised is healthy."""
        self._store.check()
        return PlainTextResponse("SERVING")

    def status(self, _request: Request) -> Response:
        """Identity (null before initialisation), ledger's end, parties."""
        identity = self._store.identity()
        return JSONResponse(
            {
                "participant_id": identity and identity.participant_id,
                "namespace": identity and identity.namespace,
                "ledger_end": self._store.ledger_end(),
                "parties": self._store.parties() if identity else [],
                "has_validator_license": self._store.has_contract("Splice.ValidatorLicense:ValidatorLicense"),
            }
        )

    def import_keys(self, body: JsonBody) -> Response:
        """Store the keys of an identity dump."""
        self._store.import_keys([KeyPair.from_dump(entry) for entry in body["keys"]])
        return Response(status_code=204)

    def initialise(self, body: JsonBody) -> Response:
        """Set identifier; import a snapshot of the authorized store if one is given."""
        snapshot = decode_snapshot(body["snapshot"]) if body.get("snapshot") else []
        identity = self._store.initialise(body["identifier"], self._admin_user, snapshot)
        return JSONResponse({"participant_id": identity.participant_id, "namespace": identity.namespace})

    def connect(self, body: JsonBody) -> Response:
        """Connect to the synchronizer and register there; 409 when the identifier was used by another node."""
        identity = self._identity()
        config = self._store.connect_synchronizer(body["url"])
        transactions = [t for t in self._store.topology() if t.subject == identity.participant_id]
        ScanClient(config["url"]).register_participant(
            identity.participant_id, config["instance"], [t.to_json() for t in transactions]
        )
        return Response(status_code=204)

    def host_party(self, body: JsonBody) -> Response:
        """Host a party of the own namespace here, also when another participant hosted it until now."""
        party = str(body["party"])
        scan = self._scan()
        hosting = scan.party_hosting(party)
        serial = hosting["serial"] + 1 if hosting else 1
        transaction = self._store.sign_party_mapping(party, serial)
        scan.submit_topology(transaction.to_json())
        self._store.host_party(transaction)
        return Response(status_code=204)

    def submit(self, body: JsonBody) -> Response:
        """Create a contract: ordered by the synchronizer first, then added to the own ledger."""
        contract = Contract.from_json(body["contract"])
        if contract.template_id in TEMPLATES_SEEN_BY_SCAN:
            identity = self._identity()
            self._scan().submit_contracts(identity.participant_id, body["act_as"], [contract.to_json()])
        return JSONResponse({"offset": self._store.add_contracts([contract], body.get("command_id"))})

    def import_contracts(self, body: JsonBody) -> Response:
        """Add contracts that exist on the network already."""
        contracts = [Contract.from_json(contract) for contract in body["contracts"]]
        return JSONResponse({"offset": self._store.add_contracts(contracts)})

    def add_history(self, body: JsonBody) -> Response:
        """Fill the ledger with updates of an application of the owner's own."""
        return JSONResponse({"offset": self._store.add_history(body["owner"], int(body["updates"]))})

    def updates(self, request: Request) -> Response:
        """Updates after an offset."""
        after = int(request.query_params["after"])
        return JSONResponse({"updates": self._store.updates(after, UPDATES_LIMIT)})

    def identities(self, _request: Request) -> Response:
        """Keys and topology, for the identity dump."""
        identity = self._identity()
        return JSONResponse(
            {
                "id": identity.participant_id,
                "keys": [key.to_dump() for key in self._store.dump_keys()],
                "authorizedStoreSnapshot": encode_snapshot(self._store.topology()),
            }
        )

    def users(self, _request: Request) -> Response:
        """All ledger users with their rights."""
        return JSONResponse(
            {
                "users": [
                    {
                        "id": user.user_id,
                        "primary_party": user.primary_party,
                        "is_deactivated": user.is_deactivated,
                        "rights": [list(right) for right in user.rights],
                    }
                    for user in self._store.users()
                ]
            }
        )

    def upsert_user(self, body: JsonBody) -> Response:
        """Create or extend a ledger user."""
        rights = [(int(right), party) for right, party in body["rights"]]
        self._store.upsert_user(body["id"], body["primary_party"], rights)
        return Response(status_code=204)

    def _identity(self) -> Identity:
        identity = self._store.identity()
        if identity is None:
            raise HTTPException(409, "the participant is not initialised")
        return identity

    def _scan(self) -> ScanClient:
        config = self._store.synchronizer()
        if config is None:
            raise HTTPException(409, "the participant is not connected to a synchronizer")
        return ScanClient(config["url"])


def make_app(api: ParticipantApi) -> Starlette:
    """Routes of the participant."""
    routes = [
        Route("/healthz", api.health),
        Route("/internal/status", api.status),
        post_route("/internal/keys", api.import_keys),
        post_route("/internal/init", api.initialise),
        post_route("/internal/synchronizers", api.connect),
        post_route("/internal/parties", api.host_party),
        post_route("/internal/contracts", api.submit),
        post_route("/internal/acs", api.import_contracts),
        post_route("/internal/history", api.add_history),
        Route("/internal/updates", api.updates),
        Route("/internal/identities", api.identities),
        Route("/internal/users", api.users),
        post_route("/internal/users", api.upsert_user),
    ]
    return Starlette(routes=routes, exception_handlers=http_errors.HANDLERS)


def run(environment: Mapping[str, str], host: str, ports: tuple[int, ...]) -> None:
    """Wait for the database, create missing tables, serve."""
    address = read_database_address(environment)
    with connect_when_there(address) as connection:
        create_tables(connection, address, "participant.sql")
    with open_pool(address) as pool:
        admin_user = environment["CANTON_PARTICIPANT_ADMIN_USER_NAME"]
        serve(make_server(make_app(ParticipantApi(ParticipantStore(pool), admin_user))), host, ports)
