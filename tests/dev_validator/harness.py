"""What the tests stand on: a throw-away PostgreSQL server, an identity provider, and the roles as processes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import jwt
import psycopg
from cryptography.hazmat.primitives.asymmetric import rsa
from psycopg import sql

REPOSITORY = Path(__file__).parents[2]
AUDIENCE = "https://canton.network.global"
OPERATOR = "service-account-id"
WALLET_USER = "wallet-user-id"
START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


class PostgresServer:
    """A server of its own data folder and port, run as the user postgres when the tests run as root."""

    def __init__(self, folder: Path) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
        assert programs, "no PostgreSQL server: /usr/lib/postgresql/*/bin is empty"
        self._bin = programs[-1]
        self._user = "postgres" if os.geteuid() == 0 else None
        self._data = folder / "data"
        self.port = free_port()
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", self._data, "-U", "postgres", "--auth=trust", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", folder / "log", "-o", options)
        with self.admin("postgres", "postgres") as connection:
            connection.execute("create role cnadmin login createdb")

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self._bin / program, *arguments],
            check=True,
            user=self._user,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )

    def admin(self, database: str, user: str = "cnadmin") -> psycopg.Connection[Any]:
        return psycopg.connect(host="127.0.0.1", port=self.port, dbname=database, user=user, autocommit=True)

    def create_database(self, name: str) -> None:
        with self.admin("postgres") as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    def drop_database(self, name: str) -> None:
        with self.admin("postgres") as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def scalar(self, database: str, query: str) -> Any:
        with self.admin(database) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)


class IdentityProvider:
    """Serves a well-known document and keys; signs tokens with them."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                document: dict[str, Any] = {"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/keys"}
                if self.path.endswith("/keys"):
                    document = {"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]}
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}/realms/canton"
        self.well_known_url = f"{self.issuer}/.well-known/openid-configuration"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def token(self, subject: str, **changes: Any) -> str:
        claims = {"sub": subject, "iss": self.issuer, "aud": AUDIENCE, "exp": int(time.time()) + 300}
        claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "k1"})

    def foreign_token(self, subject: str) -> str:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        claims = {"sub": subject, "iss": self.issuer, "aud": AUDIENCE, "exp": int(time.time()) + 300}
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k1"})

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Role:
    """One role of the stand-in as a process, its log in a file."""

    def __init__(self, log: Path, environment: dict[str, str], *arguments: str) -> None:
        self._log = log
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dev.validator", "--host", "127.0.0.1", *arguments],
                env={"PATH": os.environ["PATH"], **environment},
                cwd=REPOSITORY,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ok(self, url: str) -> None:
        def is_ok() -> bool:
            assert self._process.poll() is None, f"the role ended:\n{self.log()}"
            try:
                return httpx2.get(url, trust_env=False).status_code == 200
            except httpx2.HTTPError:
                return False

        wait_until(is_ok, f"{url} answers 200\n")

    def exit_code(self) -> int:
        return self._process.wait(START_SECONDS)

    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@dataclass
class Validator:
    """A participant and a validator app on databases of their own, and what is asked of them."""

    postgres: PostgresServer
    provider: IdentityProvider
    scan_url: str
    folder: Path
    name: str
    node_identifier: str = "acme-validator-1"
    extra_environment: dict[str, str] = field(default_factory=dict)
    roles: list[Role] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.participant_db, self.app_db = f"participant_{self.name}", f"validator_{self.name}"
        self.admin_port, self.app_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.app_port}/api/validator"
        self.create_databases()

    def create_databases(self) -> None:
        for database in (self.participant_db, self.app_db):
            self.postgres.create_database(database)

    def lose_databases(self) -> None:
        self.stop()
        for database in (self.participant_db, self.app_db):
            self.postgres.drop_database(database)

    def start_participant(self) -> Role:
        environment = {
            "CANTON_PARTICIPANT_POSTGRES_SERVER": "127.0.0.1",
            "CANTON_PARTICIPANT_POSTGRES_PORT": str(self.postgres.port),
            "CANTON_PARTICIPANT_POSTGRES_DB": self.participant_db,
            "CANTON_PARTICIPANT_POSTGRES_SCHEMA": "participant",
            "CANTON_PARTICIPANT_POSTGRES_USER": "cnadmin",
            "CANTON_PARTICIPANT_POSTGRES_PASSWORD": "unused",
            "CANTON_PARTICIPANT_ADMIN_USER_NAME": OPERATOR,
        }
        health = free_port()
        ports = ["--ledger-port", str(free_port()), "--admin-port", str(self.admin_port)]
        role = self._start("participant", environment, "participant", *ports, "--health-port", str(health))
        role.wait_until_ok(f"http://127.0.0.1:{health}/healthz")
        return role

    def start_app(self, port: int | None = None) -> Role:
        storage = f"""
            canton.validator-apps.validator_backend.storage {{
              config {{ properties = {{
                databaseName = "{self.app_db}"
                currentSchema = "validator"
                serverName = "127.0.0.1"
                portNumber = {self.postgres.port}
                user = "cnadmin"
                password = ${{SPLICE_APP_POSTGRES_PASSWORD}}
              }} }}
            }}"""
        environment = {
            "ADDITIONAL_CONFIG_PERSISTENCE": storage,
            "SPLICE_APP_POSTGRES_PASSWORD": 'any "word" of ${it}',
            "SPLICE_APP_VALIDATOR_PARTICIPANT_ADDRESS": f"http://127.0.0.1:{self.admin_port}",
            "SPLICE_APP_VALIDATOR_SCAN_ADDRESS": self.scan_url,
            "SPLICE_APP_VALIDATOR_PARTICIPANT_IDENTIFIER": self.node_identifier,
            "SPLICE_APP_VALIDATOR_PARTY_HINT": "acme-validator-1",
            "SPLICE_APP_VALIDATOR_ONBOARDING_SECRET": f"secret-{self.name}",
            "SPLICE_APP_VALIDATOR_LEDGER_API_AUTH_URL": self.provider.well_known_url,
            "SPLICE_APP_VALIDATOR_LEDGER_API_AUTH_USER_NAME": OPERATOR,
            "SPLICE_APP_VALIDATOR_AUTH_AUDIENCE": AUDIENCE,
            "CATALYX_DR_DEV_HISTORY_UPDATES": "20",
            "ADDITIONAL_CONFIG_VALIDATOR_WALLET_USER_0": (
                f"canton.validator-apps.validator_backend.validator-wallet-users.0 = {WALLET_USER}"
            ),
            **self.extra_environment,
        }
        return self._start("app", environment, "validator-app", "--port", str(port or self.app_port))

    def start(self) -> None:
        self.start_participant()
        self.start_app().wait_until_ok(f"{self.url}/readyz")

    def _start(self, name: str, environment: dict[str, str], *arguments: str) -> Role:
        role = Role(self.folder / f"{self.name}-{name}-{len(self.roles)}.log", environment, *arguments)
        self.roles.append(role)
        return role

    def stop(self) -> None:
        for role in reversed(self.roles):
            role.stop()

    def get(self, path: str, token: str | None = None) -> httpx2.Response:
        return httpx2.get(self.url + path, headers=_bearer(token), trust_env=False, timeout=20)

    def as_operator(self, path: str) -> Any:
        response = self.get(path, self.provider.token(OPERATOR))
        assert response.status_code == 200, response.text
        return response.json()

    def as_wallet_user(self, path: str) -> Any:
        response = self.get(path, self.provider.token(WALLET_USER))
        assert response.status_code == 200, response.text
        return response.json()

    def balance(self) -> str:
        return str(self.as_wallet_user("/v0/wallet/balance")["effective_unlocked_qty"])

    def tap(self, amount: str) -> httpx2.Response:
        return httpx2.post(
            self.url + "/v0/wallet/tap",
            json={"amount": amount},
            headers=_bearer(self.provider.token(WALLET_USER)),
            trust_env=False,
            timeout=20,
        )

    def dump(self) -> dict[str, Any]:
        return dict(self.as_operator("/v0/admin/participant/identities"))

    def import_dump(self, dump: dict[str, Any], new_identifier: str) -> None:
        """Set the environment as the chart does for participantIdentitiesDumpImport and migrateValidatorParty."""
        file = self.folder / f"{self.name}-{new_identifier}.json"
        file.write_text(json.dumps(dump))
        self.node_identifier = new_identifier
        self.extra_environment = {
            "ADDITIONAL_CONFIG_SPLICE_APP_SV_PARTICIPANT_IDENTITIES_DUMP_IMPORT": f"""
                canton.validator-apps.validator_backend.participant-bootstrapping-dump {{
                  type = file
                  file = {file}
                  new-participant-identifier = "{new_identifier}"
                }}""",
            "ADDITIONAL_CONFIG_MIGRATE_VALIDATOR_PARTY": (
                "canton.validator-apps.validator_backend.migrate-validator-party.scan.admin-api.url ="
                f' "{self.scan_url}"'
            ),
        }

    def ledger_end(self) -> int:
        query = "select ledger_end from participant.lapi_parameters"
        return int(self.postgres.scalar(self.participant_db, query))

    def last_ingested_offset(self) -> int:
        query = "select max(last_ingested_offset) from validator.store_last_ingested_offsets"
        return int(self.postgres.scalar(self.app_db, query), 16)


def _bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


ValidatorFactory = Callable[[str], Validator]


@contextmanager
def running_scan(folder: Path) -> Iterator[str]:
    """URL of a network of its own, with its state and log in `folder`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    role = Role(folder / "scan.log", {}, "scan", "--port", str(port), "--file", str(folder / "scan.sqlite"))
    try:
        role.wait_until_ok(f"{url}/api/scan/readyz")
        yield url
    finally:
        role.stop()
