"""A Keycloak and a validator app as local HTTP servers, whose every answer a test can replace by a bad one."""

import base64
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.databases import Database, Databases, DatabaseServer
from catalyx_dr.model.errors import UnreachableError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.target import SpliceHelmTarget
from catalyx_dr.model.validator_spec import IdentityDumps, ValidatorSpec
from catalyx_dr.rules.identity import identifier_of
from catalyx_dr.rules.identity_history import IDENTIFIER_USED, NEW_IDENTIFIER

AUDIENCE = "https://canton.network.global"
CLIENT_ID, CLIENT_SECRET = "validator-backend", "client-secret-value"
WALLET_CLIENT, WALLET_USER, WALLET_PASSWORD = "wallet-ui", "alice", "wallet-password-value"
FINGERPRINT = "1220" + "ab" * 32
PARTY = f"acme-validator-1::{FINGERPRINT}"
PARTICIPANT = f"PAR::acme-validator-1::{FINGERPRINT}"
VALIDATOR_USER = "/api/validator/v0/validator-user"
IDENTITIES = "/api/validator/v0/admin/participant/identities"


@dataclass(frozen=True)
class Reply:
    """What a server answers; `drop` closes the connection instead, `delay` in seconds comes first."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    delay: float = 0

    @classmethod
    def of(cls, value: object, status: int = 200) -> "Reply":
        """A JSON document."""
        return cls(status, json.dumps(value).encode())


@dataclass(frozen=True)
class Asked:
    """A request that a server received."""

    method: str
    path: str
    authorization: str | None
    form: Mapping[str, str]
    body: bytes = b""


Answerer = Callable[[Asked], Reply]


class HttpServer:
    """Answers with the first of `overrides[path]`, as long as there is one, else with `answer`."""

    def __init__(self, answer: Answerer, address: str = "127.0.0.1") -> None:
        self.asked: list[Asked] = []
        self.overrides: dict[str, list[Reply]] = {}
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._serve("GET", b"")

            def do_POST(self) -> None:
                self._serve("POST", self.rfile.read(int(self.headers["Content-Length"] or 0)))

            def _serve(self, method: str, body: bytes) -> None:
                form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                asked = Asked(method, self.path, self.headers["Authorization"], form, body)
                peer.asked.append(asked)
                waiting = peer.overrides.get(self.path) or []
                reply = (waiting.pop(0) if len(waiting) > 1 else waiting[0]) if waiting else answer(asked)
                time.sleep(reply.delay)
                if reply.drop:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {"Content-Type": reply.content_type, **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])
        self._thread.start()

    def always(self, path: str, *replies: Reply) -> None:
        """Give these answers for `path`, the last one for ever."""
        self.overrides[path] = list(replies)

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


# Making a key takes longer than most tests.
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Keycloak:
    """One realm with a machine client and a wallet user; tokens are signed with its key."""

    TOKEN_PATH = "/realms/canton/protocol/openid-connect/token"  # noqa: S105
    DISCOVERY_PATH = "/realms/canton/.well-known/openid-configuration"

    def __init__(self) -> None:
        self.audiences: object = [AUDIENCE, "account"]
        self.lifetime = 300
        self.users = {WALLET_USER: WALLET_PASSWORD}
        self.http = HttpServer(self._answer)

    @property
    def url(self) -> str:
        """Discovery document of the realm, as Splice's Secret has it."""
        return self.http.url + self.DISCOVERY_PATH

    def subject(self, authorization: str | None) -> str | None:
        """Subject of a token of this realm for the right audience."""
        try:
            claims = jwt.decode(
                (authorization or "").removeprefix("Bearer "), _KEY.public_key(), ["RS256"], audience=AUDIENCE
            )
        except jwt.PyJWTError:
            return None
        return str(claims["sub"])

    def _answer(self, asked: Asked) -> Reply:
        if asked.path == self.DISCOVERY_PATH:
            return Reply.of({"issuer": self.http.url, "token_endpoint": self.http.url + self.TOKEN_PATH})
        if asked.path != self.TOKEN_PATH:
            return Reply.of({"error": "Realm does not exist"}, 404)
        return self._token(asked.form)

    def _token(self, form: Mapping[str, str]) -> Reply:
        if form["client_id"] not in (CLIENT_ID, WALLET_CLIENT):
            return _refused(401, "invalid_client", "Invalid client or Invalid client credentials")
        if form["grant_type"] == "password":
            if form["client_id"] != WALLET_CLIENT:
                return _refused(400, "unauthorized_client", "Client not allowed for direct access grants")
            if self.users.get(form["username"]) != form["password"]:
                return _refused(401, "invalid_grant", "Invalid user credentials")
            return self._signed(f"id-of-{form['username']}")
        if form.get("client_secret") != CLIENT_SECRET:
            return _refused(401, "unauthorized_client", "Invalid client or Invalid client credentials")
        if form.get("scope") not in (None, "daml_ledger_api"):
            return _refused(400, "invalid_scope", f"Invalid scopes: {form['scope']}")
        return self._signed("service-account")

    def _signed(self, subject: str) -> Reply:
        claims = {"sub": subject, "iss": self.http.url, "exp": time.time() + self.lifetime, "aud": self.audiences}
        claims = {name: value for name, value in claims.items() if value is not None}
        return Reply.of({"access_token": jwt.encode(claims, _KEY, "RS256"), "expires_in": self.lifetime})


def _refused(status: int, error: str, description: str) -> Reply:
    return Reply.of({"error": error, "error_description": description}, status)


def import_that_runs(validator: str, participant_id: str, started: datetime) -> Record:
    """Record of an import that has started the validator as this participant."""
    return Record(
        kind=RecordKind.IDENTITY_IMPORT,
        identifier="r1",
        validator=validator,
        status=RecordStatus.RUNNING,
        phase="start the workloads",
        started=started,
        details={NEW_IDENTIFIER: identifier_of(participant_id), IDENTIFIER_USED: True},
    )


def make_dump(participant: str = PARTICIPANT, **changes: Any) -> dict[str, Any]:
    """A dump as Splice writes it; `changes` replace fields."""
    keys = [
        {"keyPair": base64.b64encode(f"private {name} key".encode()).decode(), "name": name}
        for name in ("namespace", "signing", "encryption")
    ]
    snapshot = base64.b64encode(b"topology").decode()
    return {"id": participant, "keys": keys, "authorizedStoreSnapshot": snapshot, "version": "0.7.4", **changes}


def scan_answer(path: str, hosted_by: str | None, serial: int = 3) -> dict[str, Any] | None:
    """What Scan answers; None for what it has not got."""
    place = path.removeprefix("/api/scan/v0")
    if place == "/active-synchronizer-serial":
        return {"serial": serial}
    if place == "/dso-sequencers":
        return {"domainSequencers": [{"domainId": "global-domain::1220", "sequencers": []}]}
    if place.startswith("/domains/global-domain::1220/parties/") and hosted_by:
        return {"participant_id": hosted_by}
    return None


def operator(party: str) -> dict[str, Any]:
    """The validator's operator, as its app tells of it."""
    return {"party_id": party, "user_name": "operator", "featured": False}


class ValidatorApp:
    """Answers as a validator app does; checks the tokens of `keycloak`."""

    def __init__(self, keycloak: Keycloak) -> None:
        self._keycloak = keycloak
        self.ready = True
        self.party = PARTY
        self.dump = make_dump()
        self.onboarded = True
        self.hosted_by: str | None = None
        self.balance = "1234.5000000000"
        self.http = HttpServer(self._answer)

    @property
    def url(self) -> str:
        """Address as the specification has it."""
        return self.http.url

    def _answer(self, asked: Asked) -> Reply:
        if asked.path.startswith("/api/scan"):
            found = scan_answer(asked.path, self.hosted_by or self.dump["id"])
            return Reply.of(found) if found else Reply.of({"error": "not found"}, 404)
        path = asked.path.removeprefix("/api/validator")
        if path == "/readyz":
            return Reply(200 if self.ready else 503)
        if path == "/v0/validator-user":
            return Reply.of(operator(self.party))
        subject = self._keycloak.subject(asked.authorization)
        if subject is None:
            return Reply.of({"error": "The supplied authentication is invalid"}, 401)
        if asked.path == IDENTITIES:
            if subject != "service-account":
                return Reply.of({"error": f"User {subject} is not authorized"}, 403)
            return Reply.of(self.dump)
        if path == "/v0/wallet/user-status":
            status = {"user_onboarded": self.onboarded, "user_wallet_installed": self.onboarded}
            return Reply.of({"party_id": self.party, "has_featured_app_right": False, **status})
        if path == "/v0/wallet/balance":
            held = {"effective_unlocked_qty": self.balance, "effective_locked_qty": "0.0", "total_holding_fees": "0.0"}
            return Reply.of({"round": 7, **held})
        return Reply.of({"error": "not found"}, 404)


@pytest.fixture
def keycloak() -> Iterator[Keycloak]:
    found = Keycloak()
    yield found
    found.http.stop()


@pytest.fixture
def validator_app(keycloak: Keycloak) -> Iterator[ValidatorApp]:
    found = ValidatorApp(keycloak)
    yield found
    found.http.stop()


def apply_json_patch(document: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """What the API server makes of a JSON Patch: the operations that are used here."""
    patched: dict[str, Any] = json.loads(json.dumps(document))
    for operation in operations:
        *parents, last = operation["path"].strip("/").split("/")
        place: Any = patched
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place[parent]
        key: Any = int(last) if isinstance(place, list) else last
        if operation["op"] == "test":
            assert place[key] == operation["value"]
        elif operation["op"] == "add" and isinstance(place, list):
            place.insert(key, operation["value"])
        else:
            assert operation["op"] in ("add", "replace")
            place[key] = operation["value"]
    return patched


def declared_spec() -> ValidatorSpec:
    """Specification of a validator at no particular server."""
    storage = Quantity.parse("1Gi")
    return ValidatorSpec(
        name="validator-1",
        namespace="validator-1",
        party_hint="acme-validator-1",
        node_identifier="acme-validator-1",
        migration_id=1,
        databases=Databases(
            server=DatabaseServer(host="postgres"),
            validator_app=Database(name="cantonnet_validator", schema_name="validator", storage=storage),
            participant=Database(name="participant", schema_name="participant", storage=storage),
        ),
        target=SpliceHelmTarget(scan_url="http://scan:5012"),
        identity_dump=IdentityDumps(cron="0 */4 * * *", retention=Retention(keep=3)),
    )


class MemoryCluster:
    """Secrets of one namespace, at once mounted below `root` as a job sees them; `fail_on` makes a creation fail."""

    namespace = "validator-1"

    def __init__(self, root: Path) -> None:
        self._root = root
        self.labels: dict[str, Mapping[str, str]] = {}
        self.immutable: set[str] = set()
        self.fail_on: str | None = None

    def create_secret(
        self, name: str, data: Mapping[str, bytes], object_labels: Mapping[str, str], *, immutable: bool
    ) -> None:
        if self.fail_on is not None and self.fail_on in name:
            raise UnreachableError(f"could not create Secret {name}: the Kubernetes API answered 503")
        assert name not in self.names
        for key, value in data.items():
            (self._root / name).mkdir(exist_ok=True, parents=True)
            (self._root / name / key).write_bytes(value)
        self.labels[name] = object_labels
        self.immutable |= {name} if immutable else set()

    def has_secret(self, name: str) -> bool:
        return name in self.labels

    def delete_secret(self, name: str) -> None:
        if name in self.labels:
            del self.labels[name]
            shutil.rmtree(self._root / name)

    @property
    def names(self) -> list[str]:
        """Secrets that were created here."""
        return sorted(self.labels)

    def content(self, name: str, key: str = "content") -> bytes:
        """One key."""
        return (self._root / name / key).read_bytes()


@pytest.fixture
def memory_cluster(secrets: SecretFiles) -> MemoryCluster:
    return MemoryCluster(secrets.root)


@pytest.fixture
def identity_secrets(secrets: SecretFiles, keycloak: Keycloak) -> SecretFiles:
    """Secrets of the validator's machine client and wallet user besides the others."""
    values = {
        "splice-app-validator-ledger-api-auth": {
            "url": keycloak.url,
            "client-id": CLIENT_ID,
            "client-secret": CLIENT_SECRET,
        },
        "splice-app-wallet-ui-auth": {"url": f"{keycloak.http.url}/realms/canton", "client-id": WALLET_CLIENT},
        "wallet-user": {"username": WALLET_USER, "password": WALLET_PASSWORD},
        "splice-app-validator-onboarding-validator": {"secret": "used-once"},
    }
    for secret, keys in values.items():
        (secrets.root / secret).mkdir(parents=True, exist_ok=True)
        for key, value in keys.items():
            secrets.path(secret, key).write_text(value)
    return secrets
