"""A throw-away PostgreSQL server, and the two databases of a validator in it under Canton's table names."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tenacity import retry, stop_after_delay, wait_fixed

from dev.toolchain.debian_packages import ensure_packages

_PROGRAMS = Path("/usr/lib/postgresql")
USER = "cnadmin"
# What a password file and a connection string must both survive.
PASSWORD = "s:e\\c r'et"  # noqa: S105
MAINTENANCE = "cantonnet"
PARTICIPANT_ID = "PAR::acme-validator-1::1220" + "ab" * 32

VALIDATOR_TABLES = """
    CREATE SCHEMA validator;
    CREATE TABLE validator.store_last_ingested_offsets (
        store_id int, migration_id bigint, last_ingested_offset text, PRIMARY KEY (store_id, migration_id));
    CREATE TABLE validator.user_wallet_acs_store (event_number bigint PRIMARY KEY, create_arguments jsonb NOT NULL);
    INSERT INTO validator.store_last_ingested_offsets VALUES (1, 0, 'ffffff'), (1, 1, '0000c8'), (2, 1, '0000c0');
    INSERT INTO validator.user_wallet_acs_store
        SELECT n, jsonb_build_object('amount', n, 'owner', md5(n::text)) FROM generate_series(1, 500) n;
"""
PARTICIPANT_TABLES = """
    CREATE SCHEMA participant;
    CREATE TABLE participant.common_node_id (
        identifier varchar, namespace varchar, PRIMARY KEY (identifier, namespace));
    CREATE TABLE participant.lapi_parameters (participant_id varchar, ledger_end bigint);
    CREATE TABLE participant.lapi_events (event_sequential_id bigint PRIMARY KEY, payload bytea NOT NULL);
    INSERT INTO participant.common_node_id VALUES ('acme-validator-1', '1220' || repeat('ab', 32));
    INSERT INTO participant.lapi_parameters VALUES ('acme-validator-1', 200);
    INSERT INTO participant.lapi_events
        SELECT n, decode(md5(n::text) || md5((n * 7)::text), 'hex') FROM generate_series(1, 3000) n;
"""
VALIDATOR_DATABASES = {"cantonnet_validator": VALIDATOR_TABLES, "participant": PARTICIPANT_TABLES}


def free_port() -> int:
    """Port of this machine that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ThrowawayServer:
    """A server of its own data folder, made when there is none; asks for passwords, as a real one does."""

    def __init__(
        self,
        folder: Path,
        programs: Path | None = None,
        settings: Sequence[str] = ("fsync=off", "max_prepared_transactions=1"),
    ) -> None:
        self.programs = programs or _newest_programs()
        self.port = free_port()
        # PostgreSQL refuses to run as root.
        self._account = "postgres" if os.geteuid() == 0 else None
        self.data_folder = folder / "data"
        if self._account:
            shutil.chown(folder, self._account)
        fresh = not self.data_folder.exists()
        if fresh:
            self._run(
                "initdb", "-D", self.data_folder, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8"
            )
            (self.data_folder / "pg_hba.conf").write_text(
                "local all postgres trust\n"
                "host all postgres 127.0.0.1/32 trust\n"
                "host all all 127.0.0.1/32 scram-sha-256\n"
            )
        always = ("listen_addresses=127.0.0.1", "unix_socket_directories=")
        self._options = ["-p", str(self.port), *(part for setting in (*always, *settings) for part in ("-c", setting))]
        self._log = folder / "log"
        self._process = self._begun()
        self.wait()
        if not fresh:
            return
        self.run("postgres", sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}"), sql.Identifier(USER), PASSWORD)
        self.run("postgres", sql.SQL("CREATE DATABASE {} OWNER {}"), sql.Identifier(MAINTENANCE), sql.Identifier(USER))

    @property
    def programs_major(self) -> int:
        """Major version."""
        return int(self.value("postgres", "SHOW server_version_num")) // 10_000

    def stop(self) -> None:
        """End the server and wait for it."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=30)

    def crash(self, away: float) -> None:
        """End it as a crash does; it is started again after `away` seconds, which nobody waits for."""
        self.stop()
        self._process = self._begun(away)

    def wait(self) -> None:
        """Wait until it answers."""
        retry(stop=stop_after_delay(30), wait=wait_fixed(0.05), reraise=True)(self.admin)("postgres").close()

    def admin(self, database: str) -> psycopg.Connection[Any]:
        """Superuser's connection."""
        return psycopg.connect(host="127.0.0.1", port=self.port, dbname=database, user="postgres", autocommit=True)

    def owner(self, database: str) -> psycopg.Connection[Any]:
        """Connection of the user who owns the validator's databases."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user=USER, password=PASSWORD, autocommit=True
        )

    def run(self, database: str, query: sql.SQL, *values: sql.Composable | str) -> None:
        """Run one statement as superuser; its values are identifiers or literals."""
        with self.admin(database) as connection:
            connection.execute(query.format(*values))

    def databases(self) -> list[str]:
        """Names of all databases."""
        with self.admin("postgres") as connection:
            return [name for (name,) in connection.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()]

    def create(self, name: str, tables: str) -> None:
        """Database of the owner with these tables."""
        self.run("postgres", sql.SQL("CREATE DATABASE {} OWNER {}"), sql.Identifier(name), sql.Identifier(USER))
        with self.owner(name) as connection:
            connection.execute(tables.encode())

    def drop_all(self) -> None:
        """Drop every database but those that the server came with."""
        for name in self.databases():
            if name not in ("postgres", "template0", "template1", MAINTENANCE):
                self.run("postgres", sql.SQL("DROP DATABASE {} WITH (FORCE)"), sql.Identifier(name))

    def value(self, database: str, query: str) -> Any:
        """First column of the first row."""
        with self.admin(database) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def _begun(self, after: float = 0) -> subprocess.Popen[bytes]:
        server: list[str | Path] = [self.programs / "postgres", "-D", self.data_folder, *self._options]
        with self._log.open("ab") as log:
            # Ends with the tests even when they are killed, which pg_ctl's would not.
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "INT", "sh", "-c", f'sleep {after}; exec "$@"', "sh", *server],
                user=self._account,
                cwd="/",
                stdout=log,
                stderr=log,
            )

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self.programs / program, *arguments], check=True, user=self._account, cwd="/", stdout=subprocess.DEVNULL
        )


def _newest_programs() -> Path:
    """Folder of the server's programs: the one that is given, else the newest of this machine, installed if need be."""
    if given := os.environ.get("CATALYX_DR_TEST_POSTGRES"):
        return Path(given)
    if not list(_PROGRAMS.glob("*/bin/initdb")):
        ensure_packages(("postgresql",))
    return max((path.parent for path in _PROGRAMS.glob("*/bin/initdb")), key=lambda folder: int(folder.parent.name))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[ThrowawayServer]:
    # Below /tmp itself: the server's account may not enter pytest's own folders.
    with tempfile.TemporaryDirectory(prefix="catalyx-dr-postgres-") as folder:
        server = ThrowawayServer(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def validator_databases(postgres_server: ThrowawayServer) -> Iterator[ThrowawayServer]:
    """Databases `cantonnet_validator` (offset 200 of migration 1) and `participant` (ledger end 200)."""
    for name, tables in VALIDATOR_DATABASES.items():
        postgres_server.create(name, tables)
    yield postgres_server
    postgres_server.drop_all()
