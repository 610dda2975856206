"""A PostgreSQL 17 with Canton-like databases of both roles, kept in the cache, and a store beside it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyrage

from bench import canton_data
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.bucket import CaBundle
from catalyx_dr.model.validator_spec import ValidatorSpec
from dev.cache_folder import content_key, shared_folder
from dev.toolchain.postgres_programs import postgres_programs
from tests.certificates import certificates
from tests.fixtures_bucket import ACCESS_KEY, SECRET_KEY, STORE_SECRET, Versitygw, declared_bucket
from tests.fixtures_postgres import PASSWORD, ThrowawayServer
from tests.fixtures_validator import declared_validator

APP, PARTICIPANT = "cantonnet_validator", "participant"
DATABASES = (APP, PARTICIPANT)
_MAJOR = 17
_SEED = "canton"
_AUTHORITY = CaBundle(name="store-ca")
# As Splice's chart has it, and the server's own defaults otherwise.
_SETTINGS = ("max_wal_size=2GB", "shared_buffers=512MB")


@dataclass(frozen=True)
class Validator:
    """What is measured: `folder` is for what a measurement writes."""

    server: ThrowawayServer
    spec: ValidatorSpec
    store: Versitygw
    folder: Path
    socket: Path

    def program(self, name: str) -> Path:
        """One of the server's own programs."""
        return self.server.programs / name

    @property
    def connection(self) -> list[str]:
        """Options of PostgreSQL's programs for the superuser, who needs no password here."""
        return ["--host=127.0.0.1", f"--port={self.server.port}", "--username=postgres"]

    @property
    def bytes(self) -> int:
        """Size of both databases."""
        query = f"SELECT sum(pg_database_size(datname)) FROM pg_database WHERE datname IN {DATABASES}"
        return int(self.server.value("postgres", query))


def wanted_bytes() -> int:
    """Size of both databases that is asked for: CATALYX_DR_BENCH_MIB, else a little more than 1 GiB."""
    return int(os.environ.get("CATALYX_DR_BENCH_MIB", "1024")) * 2**20


@contextmanager
def canton_validator() -> Iterator[Validator]:
    """Server, store and specification while the block runs; the databases are made at the first time."""
    programs = postgres_programs(_MAJOR)
    if programs is None:
        raise RuntimeError(f"there is no PostgreSQL {_MAJOR} for this machine; install postgresql-{_MAJOR}")
    key = content_key([_SEED, str(wanted_bytes()), Path(canton_data.__file__).read_text()])
    kept = shared_folder("bench") / f"canton-{key}"
    with tempfile.TemporaryDirectory(prefix="catalyx-dr-bench-") as name:
        folder, socket = Path(name), Path(name, "socket")
        folder.chmod(0o755)
        socket.mkdir(mode=0o777)
        socket.chmod(0o777)
        if not (kept / "complete").exists():
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir()
        settings = (*_SETTINGS, f"unix_socket_directories={socket}")
        server = ThrowawayServer(kept, programs, settings)
        try:
            if not (kept / "complete").exists():
                _fill(server)
                (kept / "complete").touch()
            os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
            with _store(folder) as store:
                yield Validator(server, _declared(server, store, folder), store, folder, socket)
        finally:
            server.stop()


def secrets_of(folder: Path) -> SecretFiles:
    """Secrets as they are mounted in a job."""
    return SecretFiles(folder / "secrets")


def _fill(server: ThrowawayServer) -> None:
    print("  filling the databases (about two minutes, once) ...", flush=True)
    for name, fill in ((APP, canton_data.fill_app), (PARTICIPANT, canton_data.fill_participant)):
        server.create(name, "SELECT 1")
        with server.owner(name) as connection:
            fill(connection, _SEED, wanted_bytes())


@contextmanager
def _store(folder: Path) -> Iterator[Versitygw]:
    """By TLS, which pgBackRest insists on."""
    (folder / "store").mkdir()
    signed = certificates(folder / "store")
    store = Versitygw(folder / "store", ("--cert", signed.certificate, "--key", signed.key), signed.authority)
    try:
        store.client().create_bucket(Bucket="backups")
        yield store
    finally:
        store.stop()


def _declared(server: ThrowawayServer, store: Versitygw, folder: Path) -> ValidatorSpec:
    assert store.trusted is not None
    values = {
        (_AUTHORITY.name, _AUTHORITY.key): store.trusted.read_text(),
        ("postgres-secrets", "postgresPassword"): PASSWORD,
        (STORE_SECRET, "access-key-id"): ACCESS_KEY,
        (STORE_SECRET, "secret-access-key"): SECRET_KEY,
    }
    for (secret, key), value in values.items():
        path = secrets_of(folder).path(secret, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    identity = pyrage.x25519.Identity.generate()
    (folder / "identity").write_text(f"{identity}\n")
    spec = declared_validator(server, str(identity.to_public()))
    assert spec.backup is not None
    bucket = declared_bucket(store, "backups", ca_bundle=_AUTHORITY)
    return spec.model_copy(update={"backup": spec.backup.model_copy(update={"bucket": bucket})})
