"""Every major version of PostgreSQL that can be had here: its own client dumps and restores it, no other is taken."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import sql

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.postgres import PostgresServer, fetch_value
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.proofs import Drill
from catalyx_dr.model.record import RecordStatus
from catalyx_dr.operations import restore as restore_module
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.drill import drill
from catalyx_dr.operations.restore import RestoreOrder, restore
from dev.toolchain.postgres_programs import postgres_programs
from tests.fixtures_postgres import USER, VALIDATOR_DATABASES, ThrowawayServer
from tests.fixtures_restore import beside
from tests.fixtures_validator import Protected, WorkloadLog

_CLUSTER: Cluster = None  # type: ignore[assignment]  # workloads are stand-ins
_MAJORS = (14, 15, 16, 17, 18)
_ZOO = Path(__file__).with_name("every_kind_of_object.sql")
_ZOO_SCHEMAS = ("Zoo", 'z/%s "q" ünï', "public", "participant")


@pytest.fixture(params=_MAJORS)
def of_major(
    request: pytest.FixtureRequest, protected: Protected, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Protected]:
    """A validator on a server of this major version, whose client is there; nothing else of it is in the cluster."""
    monkeypatch.setattr(restore_module, "prove_restored", lambda *arguments: {})
    with _moved_to(request.param, protected, monkeypatch) as moved:
        yield moved


@contextmanager
def _moved_to(major: int, protected: Protected, monkeypatch: pytest.MonkeyPatch) -> Iterator[Protected]:
    programs = postgres_programs(major)
    if programs is None:
        pytest.skip(f"there is no PostgreSQL {major} for this machine")
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    with tempfile.TemporaryDirectory(prefix="catalyx-dr-postgres-") as folder:
        server = ThrowawayServer(Path(folder), programs)
        try:
            for name, tables in VALIDATOR_DATABASES.items():
                server.create(name, tables)
            databases = protected.spec.databases
            at = databases.server.model_copy(update={"port": server.port})
            spec = protected.spec.model_copy(update={"databases": databases.model_copy(update={"server": at})})
            yield replace(protected, spec=spec, server=server)
        finally:
            server.stop()


@pytest.mark.parametrize("bucket_only", [False, True], ids=["on the volume", "streamed"])
def test_round_trip_with_the_servers_own_client(
    of_major: Protected,
    bucket: object,
    bucket_only: bool,
    workload_log: WorkloadLog,
) -> None:
    _there_and_back(of_major, bucket, bucket_only)

    assert of_major.server.value("participant", "SELECT count(*) FROM participant.lapi_events") == 3000


def _there_and_back(of_major: Protected, bucket: object, bucket_only: bool) -> None:
    protected = of_major.declared(bucket=bucket, **({"volume": None} if bucket_only else {}))
    back_up(protected.spec, protected.surroundings)
    source = "bucket" if bucket_only else "volume"
    order = RestoreOrder("latest", "r1", source, protected.identity_file if bucket_only else None)
    restore(protected.spec, order, protected.surroundings, _CLUSTER)


def _content(server: ThrowawayServer, schemas: tuple[str, ...]) -> dict[str, object]:
    """Every row of tables, views and sequences, and every large object, as text in the order of their hashes."""
    found: dict[str, object] = {}
    hashed = sql.SQL("SELECT array_agg(md5(t::text) ORDER BY md5(t::text)) FROM {} AS t")
    numbered = sql.SQL("SELECT array[last_value::text, is_called::text] FROM {}")
    with server.admin("participant") as connection:
        relations = connection.execute(
            "SELECT c.oid::regclass::text, nspname, relname, relkind FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = ANY(%s) AND relkind IN "
            "('r', 'm', 'v', 'S') AND relispopulated",
            [list(schemas)],
        ).fetchall()
        for label, schema, name, kind in relations:
            query = (numbered if kind == "S" else hashed).format(sql.Identifier(schema, name))
            found[label] = connection.execute(query).fetchone()
        found["large objects"] = connection.execute(
            "SELECT oid, lomacl::text, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY 1"
        ).fetchall()
    return found


def _schema(server: ThrowawayServer) -> list[str]:
    """As pg_dump tells it, without the random words of its newer versions."""
    reach = ("-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", "participant")
    answer = subprocess.run(
        [server.programs / "pg_dump", "--schema-only", *reach], capture_output=True, check=True, text=True
    )
    return [line for line in answer.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


@pytest.mark.parametrize(
    ("of_major", "bucket_only"),
    [(14, False), (15, False), (18, False), (14, True), (18, True)],
    indirect=["of_major"],
)
def test_every_kind_of_object_is_as_before(
    of_major: Protected,
    bucket: object,
    bucket_only: bool,
    workload_log: WorkloadLog,
) -> None:
    with of_major.server.owner("participant") as connection:
        connection.execute(_ZOO.read_bytes())
    content, schema = _content(of_major.server, _ZOO_SCHEMAS), _schema(of_major.server)

    _there_and_back(of_major, bucket, bucket_only)

    assert len(content) > 40
    assert _content(of_major.server, _ZOO_SCHEMAS) == content
    assert _schema(of_major.server) == schema


@pytest.mark.parametrize("of_major", [14], indirect=True)
def test_every_kind_of_object_moves_to_a_newer_server(
    of_major: Protected, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with of_major.server.owner("participant") as connection:
        connection.execute(_ZOO.read_bytes())
    content = _content(of_major.server, _ZOO_SCHEMAS)
    back_up(of_major.spec, of_major.surroundings)

    with _moved_to(18, of_major, monkeypatch) as moved:
        restore(moved.spec, RestoreOrder("latest", "r1"), moved.surroundings, _CLUSTER)
        assert _content(moved.server, _ZOO_SCHEMAS) == content


@pytest.mark.parametrize(
    ("of_major", "made", "letter"),
    [
        (14, "ENCODING 'EUC_JP' LOCALE 'C'", "a4a2"),
        (15, "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'", "c3a4"),
        (17, "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'", "c3a4"),
        (18, "ENCODING 'SQL_ASCII' LOCALE 'C'", "e4"),
    ],
    indirect=["of_major"],
)
def test_encoding_and_locale_are_as_before(
    of_major: Protected, made: str, letter: str, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the present database, where it is lost, and in a drill."""
    monkeypatch.setenv("PATH", f"{of_major.server.programs}:/usr/bin:/bin")
    monkeypatch.setattr(restore_module, "prove_restored", lambda *arguments: {})
    server, surroundings = of_major.server, of_major.surroundings
    server.drop_all()
    for name, tables in VALIDATOR_DATABASES.items():
        statement = f"CREATE DATABASE {{}} OWNER {{}} TEMPLATE template0 {made}"
        server.run("postgres", sql.SQL(statement), sql.Identifier(name), sql.Identifier(USER))
        with server.owner(name) as connection:
            connection.execute(tables.encode())
            connection.execute(
                f"CREATE TABLE texts AS SELECT convert_from('\\x{letter}', getdatabaseencoding()) t".encode()
            )
    spec = of_major.spec.model_copy(update={"drill": Drill(cron="0 4 * * 6")})
    described = (
        "SELECT (to_jsonb(d) - '{oid,datname,datfrozenxid,datminmxid}'::text[])::text FROM pg_database d "
        "WHERE datname = 'participant'"
    )
    before = server.value("postgres", described)
    back_up(spec, surroundings)

    assert drill(spec, surroundings, beside(server)).status is RecordStatus.COMPLETED
    restore(spec, RestoreOrder("latest", "r1"), surroundings, _CLUSTER)
    assert server.value("postgres", described) == before
    server.drop_all()
    restore(spec, RestoreOrder("latest", "r2"), surroundings, _CLUSTER)
    assert server.value("postgres", described) == before
    kept = f"SELECT convert_to(t, getdatabaseencoding()) = '\\x{letter}' FROM texts"  # noqa: S608
    assert server.value("participant", kept) is True


@pytest.mark.parametrize("of_major", [15, 18], indirect=True)
def test_limits_and_settings_of_the_user_hinder_nothing(of_major: Protected, workload_log: WorkloadLog) -> None:
    """Not a dump whose lines are counted under names, nor a drill on a server without these settings."""
    server, surroundings = of_major.server, of_major.surroundings
    limits = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"]
    longer = ["transaction_timeout = '10s'"] if server.programs_major >= 17 else []
    for setting in (*(f"{one} = '1ms'" for one in limits), *longer, "default_transaction_read_only = on"):
        server.run("postgres", sql.SQL(f"ALTER ROLE {{}} SET {setting}"), sql.Identifier(USER))
    server.run("postgres", sql.SQL("ALTER DATABASE participant SET quote_all_identifiers = on"))
    spec = of_major.spec.model_copy(update={"drill": Drill(cron="0 4 * * 6")})
    with PostgresServer.reach(spec.databases.server, surroundings.secrets).connect("participant") as connection:
        assert not longer or fetch_value(connection, "SHOW transaction_timeout") == "0"

    back_up(spec, surroundings)

    assert drill(spec, surroundings, beside(server)).status is RecordStatus.COMPLETED
    restore(spec, RestoreOrder("latest", "r1"), surroundings, _CLUSTER)
    assert server.value("participant", "SELECT count(*) FROM participant.lapi_events") == 3000


@pytest.mark.parametrize("of_major", [14], indirect=True)
def test_rights_that_only_a_superuser_may_give_are_told(
    of_major: Protected,
    workload_log: WorkloadLog,
    capsys: pytest.CaptureFixture[str],
) -> None:
    of_major.server.run("participant", sql.SQL("GRANT ALL ON SCHEMA public TO {}"), sql.Identifier(USER))

    back_up(of_major.spec, of_major.surroundings)
    restore(of_major.spec, RestoreOrder("latest", "r1"), of_major.surroundings, _CLUSTER)

    assert "attention: loading 'participant': no privileges were granted for \"public\"" in capsys.readouterr().out


# Debian's own client is found wherever the path leads.
@pytest.mark.parametrize(
    "of_major", [major for major in _MAJORS if not Path(f"/usr/lib/postgresql/{major}").exists()], indirect=True
)
def test_client_of_another_major_is_refused_before_the_dump(
    of_major: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    major = of_major.server.programs_major
    other = 16 if major == 15 else 15
    monkeypatch.setenv("PATH", f"{postgres_programs(other)}:/usr/bin:/bin")

    with pytest.raises(
        RefusedError, match=rf"the server is PostgreSQL {major}\..*found: {other}.*postgresql-client-{major}"
    ):
        back_up(of_major.spec, of_major.surroundings)

    assert [record.phase for record in of_major.records] == ["check"]
    assert of_major.set_ids == []
