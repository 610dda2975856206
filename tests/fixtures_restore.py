"""A validator with one backup set, changed after it, and its API as far as a restore asks it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from psycopg import sql

from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.model.api_access import ValidatorApi
from catalyx_dr.model.databases import DatabaseServer
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.model.target import SpliceHelmTarget
from catalyx_dr.operations.backup import back_up
from tests.fixtures_identity import scan_answer
from tests.fixtures_postgres import PARTICIPANT_ID, ThrowawayServer
from tests.fixtures_validator import Protected, WorkloadLog


class PlayedApi(BaseHTTPRequestHandler):
    party: ClassVar[str] = "acme-validator-1::1220" + "ab" * 32

    hosted_by: ClassVar[str] = PARTICIPANT_ID
    serial: ClassVar[int] = 3

    def do_GET(self) -> None:
        found = scan_answer(self.path, self.hosted_by, self.serial)
        if not self.path.startswith("/api/scan"):
            found = {"party_id": self.party, "user_name": "operator", "featured": False}
        body = json.dumps(found or {"error": "not found"}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def api_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), PlayedApi)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def backed_up(protected: Protected, api_url: str, workload_log: WorkloadLog) -> Protected:
    """A validator with one set on the volume, changed after it."""
    protected = replace(protected, spec=protected.spec.model_copy(update=answering_at(api_url)))
    back_up(protected.spec, protected.surroundings)
    change(protected.server)
    return protected


def beside(server: ThrowawayServer, port: int | None = None) -> PostgresServer:
    """Its superuser, as a drill knows the one of its throw-away server: `drill_…` are databases like any others."""
    at = DatabaseServer(
        host="127.0.0.1",
        port=port or server.port,
        user="postgres",
        password=SecretKey(name="none", key="none"),
        maintenance_database="postgres",
        ssl_mode="disable",
    )
    return PostgresServer(at, "")


def answering_at(url: str) -> dict[str, object]:
    """Validator and Scan at one address."""
    return {"api": ValidatorApi(url=url), "target": SpliceHelmTarget(scan_url=url)}


def change(server: ThrowawayServer) -> None:
    server.run("participant", sql.SQL("DELETE FROM participant.lapi_events"))
