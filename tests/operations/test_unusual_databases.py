"""Databases with odd names, large objects, extensions, many schemas, grants and settings survive a round trip."""

import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from psycopg import sql

from catalyx_dr.adapters import canton_database, postgres_client
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.postgres import Connection
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.operations import restore as restore_module
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.restore import RestoreOrder, restore
from tests.fixtures_postgres import PARTICIPANT_TABLES, USER
from tests.fixtures_validator import Protected, WorkloadLog

_CLUSTER: Cluster = None  # type: ignore[assignment]  # workloads are stand-ins


@pytest.fixture
def silent_validator(monkeypatch: pytest.MonkeyPatch, workload_log: WorkloadLog) -> WorkloadLog:
    """Workloads are stand-ins, and the validator is not asked."""
    monkeypatch.setattr(restore_module, "prove_restored", lambda *arguments: {})
    return workload_log


def _round_trip(protected: Protected) -> None:
    back_up(protected.spec, protected.surroundings)
    restore(protected.spec, RestoreOrder("latest", "r1"), protected.surroundings, _CLUSTER)


def _streamed_round_trip(protected: Protected) -> None:
    back_up(protected.spec, protected.surroundings)
    order = RestoreOrder("latest", "r1", "bucket", protected.identity_file)
    restore(protected.spec, order, protected.surroundings, _CLUSTER)


def _renamed(protected: Protected, name: str) -> Protected:
    protected.server.run("postgres", sql.SQL("ALTER DATABASE participant RENAME TO {}"), sql.Identifier(name))
    databases = protected.spec.databases
    participant = databases.participant.model_copy(update={"name": name})
    spec = protected.spec.model_copy(update={"databases": databases.model_copy(update={"participant": participant})})
    return replace(protected, spec=spec)


@pytest.mark.parametrize(
    "name", ["with space", 'Quote"d', "o'clock", "back\\slash", "port=1 host=x", "postgres://x", "-f", "ünïcode", "%n"]
)
def test_odd_database_name(protected: Protected, silent_validator: WorkloadLog, name: str) -> None:
    odd = _renamed(protected, name)

    _round_trip(odd)

    assert odd.server.value(name, "SELECT count(*) FROM participant.lapi_events") == 3000


@pytest.mark.parametrize("streamed", [False, True], ids=["on the volume", "streamed"])
def test_large_objects_extensions_many_schemas_and_empty_tables(
    protected: Protected, bucket: BackupBucket, silent_validator: WorkloadLog, streamed: bool
) -> None:
    with protected.server.owner("participant") as connection:
        connection.execute("CREATE EXTENSION pgcrypto")
        connection.execute("SELECT lo_from_bytea(0, convert_to('large', 'UTF8'))")
        for number in range(30):
            connection.execute(f'CREATE SCHEMA "s.{number}"'.encode())
            connection.execute(
                f'CREATE TABLE "s.{number}"."t "" {number}" AS SELECT generate_series(1, {number})'.encode()
            )
        connection.execute("CREATE TABLE parts (n int) PARTITION BY RANGE (n)")
        connection.execute("CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0) TO (9)")
        connection.execute("INSERT INTO parts VALUES (1), (2)")

        connection.execute("CREATE TABLE no_columns ()")
        connection.execute("INSERT INTO no_columns DEFAULT VALUES")
        connection.execute('CREATE TABLE "COPY x (a) FROM stdin;" (text text)')
        connection.execute("""INSERT INTO "COPY x (a) FROM stdin;" VALUES (E'\\\\.\\n\\\\.'), (''), (NULL)""")
        connection.execute("CREATE UNLOGGED TABLE unlogged AS SELECT generate_series(1, 5)")

    if streamed:
        _streamed_round_trip(protected.declared(bucket=bucket, volume=None))
    else:
        _round_trip(protected)

    server = protected.server
    assert (
        server.value("participant", "SELECT convert_from(lo_get(oid), 'UTF8') FROM pg_largeobject_metadata") == "large"
    )
    assert server.value("participant", 'SELECT count(*) FROM "s.29"."t "" 29"') == 29
    assert server.value("participant", "SELECT count(*) FROM parts") == 2
    assert server.value("participant", 'SELECT count(*) FROM "COPY x (a) FROM stdin;"') == 3
    assert server.value("participant", "SELECT count(*) FROM no_columns") == 1
    assert server.value("participant", "SELECT count(*) FROM unlogged") == 5
    assert server.value("participant", "SELECT 1 FROM pg_extension WHERE extname = 'pgcrypto'") == 1


@pytest.mark.parametrize("streamed", [False, True], ids=["on the volume", "streamed"])
def test_tables_that_look_like_something_else(
    protected: Protected, bucket: BackupBucket, silent_validator: WorkloadLog, streamed: bool
) -> None:
    with protected.server.owner("participant") as connection:
        for statement in (
            'CREATE TABLE "new\nline" ("co\nl" int, "x) FROM stdin;\nCOPY y" text)',
            """INSERT INTO "new\nline" SELECT n, E'\\\\.\\n\\\\.' FROM generate_series(1, 7) n""",
            'CREATE TABLE "-- TOC entry 1 (class 1 OID 5)" AS SELECT 1 AS a',
            "CREATE TABLE parent AS SELECT 1 AS a",
            "CREATE TABLE child (b int) INHERITS (parent)",
            "INSERT INTO child VALUES (1, 2), (3, 4)",
            "CREATE TABLE generated (a int GENERATED ALWAYS AS (1) STORED)",
            "INSERT INTO generated DEFAULT VALUES",
            "CREATE TABLE large AS SELECT repeat(md5(n::text), 300000) AS t FROM generate_series(1, 3) n",
        ):
            connection.execute(statement.encode())

    if streamed:
        _streamed_round_trip(protected.declared(bucket=bucket, volume=None))
    else:
        _round_trip(protected)

    server = protected.server
    assert server.value("participant", 'SELECT count(*) FROM "new\nline"') == 7
    assert server.value("participant", "SELECT count(*) FROM parent") == 3
    assert server.value("participant", "SELECT count(*) FROM generated") == 1
    assert server.value("participant", "SELECT sum(length(t)) FROM large") == 3 * 32 * 300_000


def test_triggers_of_partitioned_tables_change_no_row_that_is_loaded(
    protected: Protected, bucket: BackupBucket, silent_validator: WorkloadLog
) -> None:
    """A streamed dump tells no sizes, by which pg_restore would begin with the rows."""
    with protected.server.owner("participant") as connection:
        connection.execute("CREATE TABLE parts (n int, t text) PARTITION BY RANGE (n)")
        for number in range(20):
            of = f"FOR VALUES FROM ({number * 10}) TO ({number * 10 + 10})"
            connection.execute(f"CREATE TABLE part_{number} PARTITION OF parts {of}".encode())
        for statement in (
            "INSERT INTO parts SELECT n, 'as it was' FROM generate_series(0, 199) n",
            "CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.t := 1; RETURN NEW; END'",
            "CREATE TRIGGER change BEFORE INSERT ON parts FOR EACH ROW EXECUTE FUNCTION change()",
            "ALTER TABLE parts ADD CONSTRAINT later CHECK (n > 5) NOT VALID",
        ):
            connection.execute(statement.encode())

    _streamed_round_trip(protected.declared(bucket=bucket, volume=None, parallel_jobs=4))

    assert protected.server.value("participant", "SELECT count(*) FROM parts WHERE t = 'as it was'") == 200
    assert protected.server.value("participant", "SELECT count(*) FROM pg_trigger WHERE tgname = 'change'") == 21


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_other_encodings(protected: Protected, silent_validator: WorkloadLog, encoding: str) -> None:
    server = protected.server
    server.run("postgres", sql.SQL("DROP DATABASE participant"))
    made = "CREATE DATABASE participant OWNER {} ENCODING {} LOCALE 'C' TEMPLATE template0"
    server.run("postgres", sql.SQL(made), sql.Identifier(USER), encoding)
    with server.owner("participant") as connection:
        connection.execute(PARTICIPANT_TABLES.encode())
        connection.execute(b"CREATE TABLE \"t\xc3\xa9st\" AS SELECT '\xc3\xa9'::text AS a")

    _round_trip(protected)

    assert server.value("participant", "SELECT count(*) FROM pg_tables WHERE tablename LIKE 't%st'") == 1


def test_databases_without_rows(protected: Protected, silent_validator: WorkloadLog) -> None:
    for name in ("cantonnet_validator", "participant"):
        with protected.server.owner(name) as connection:
            tables = connection.execute(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN "
                "('validator', 'participant')"
            ).fetchall()
            for (table,) in tables:
                connection.execute(f"DELETE FROM {table}".encode())  # noqa: S608

    _round_trip(protected)

    assert protected.server.value("participant", "SELECT count(*) FROM participant.lapi_events") == 0


def _described(protected: Protected, name: str) -> list[Any]:
    with protected.server.admin(name) as connection:
        database = connection.execute(
            "SELECT datdba::regrole::text, datacl::text, datconnlimit, datcollate FROM pg_database WHERE datname = %s",
            [name],
        ).fetchone()
        settings = connection.execute("SHOW search_path").fetchone()
        owners = connection.execute(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'participant'"
        ).fetchall()
        grants = connection.execute("SELECT relacl::text FROM pg_class WHERE relname = 'lapi_events'").fetchone()
    return [database, settings, owners, grants]


def test_owner_settings_and_grants_are_as_before(protected: Protected, silent_validator: WorkloadLog) -> None:
    protected.server.run("postgres", sql.SQL("CREATE ROLE reader LOGIN"))
    try:
        with protected.server.owner("participant") as connection:
            connection.execute('ALTER DATABASE participant SET search_path TO participant, "$user", public')
            connection.execute("REVOKE ALL ON DATABASE participant FROM PUBLIC")
            connection.execute("GRANT CONNECT ON DATABASE participant TO reader WITH GRANT OPTION")
            connection.execute("GRANT SELECT ON participant.lapi_events TO reader")
        before = _described(protected, "participant")

        _round_trip(protected)

        assert _described(protected, "participant") == before
    finally:
        protected.server.drop_all()
        protected.server.run("postgres", sql.SQL("DROP ROLE reader"))


def test_setting_that_only_a_superuser_may_give_is_told(
    protected: Protected, silent_validator: WorkloadLog, capsys: pytest.CaptureFixture[str]
) -> None:
    protected.server.run("postgres", sql.SQL("ALTER DATABASE participant SET log_min_duration_statement = 0"))

    _round_trip(protected)

    assert "setting log_min_duration_statement of 'participant' could not be given" in capsys.readouterr().out


@pytest.mark.parametrize("in_place", [False, True])
def test_role_that_is_gone_is_told_before_anything_is_touched(
    protected: Protected, silent_validator: WorkloadLog, in_place: bool
) -> None:
    server = protected.server
    server.run("postgres", sql.SQL("CREATE ROLE passing"))
    server.run("postgres", sql.SQL("GRANT passing TO {}"), sql.Identifier(USER))
    server.run("participant", sql.SQL("ALTER TABLE participant.lapi_events OWNER TO passing"))
    server.run("participant", sql.SQL("GRANT USAGE, CREATE ON SCHEMA participant TO passing"))
    back_up(protected.spec, protected.surroundings)
    server.run("participant", sql.SQL("REASSIGN OWNED BY passing TO {}"), sql.Identifier(USER))
    server.run("participant", sql.SQL("DROP OWNED BY passing"))
    server.run("postgres", sql.SQL("DROP ROLE passing"))
    before = server.databases()

    with pytest.raises(RefusedError, match=r'role "passing" does not exist; where .* missing, create the roles, GRANT'):
        restore(protected.spec, RestoreOrder("latest", "r1", in_place=in_place), protected.surroundings, _CLUSTER)

    assert server.databases() == before
    assert silent_validator.done == []


def test_extension_of_a_superuser_is_told_before_anything_is_touched(
    protected: Protected, silent_validator: WorkloadLog
) -> None:
    protected.server.run("participant", sql.SQL("CREATE EXTENSION pg_stat_statements"))
    back_up(protected.spec, protected.surroundings)

    with pytest.raises(RefusedError, match=r'create extension "pg_stat_statements"; .* or make it SUPERUSER'):
        restore(protected.spec, RestoreOrder("latest", "r1"), protected.surroundings, _CLUSTER)

    assert silent_validator.done == []


@pytest.mark.parametrize("in_place", [False, True])
def test_views_that_cannot_be_filled_hold_up_no_restore(
    protected: Protected, silent_validator: WorkloadLog, in_place: bool
) -> None:
    with protected.server.owner("participant") as connection:
        for statement in (
            "CREATE TABLE numbers AS SELECT 1 AS n",
            "CREATE FUNCTION first() RETURNS int LANGUAGE sql AS 'SELECT n FROM numbers'",
            "CREATE MATERIALIZED VIEW inverse AS SELECT 1 / n AS i FROM numbers",
            'CREATE MATERIALIZED VIEW "of it" AS SELECT i FROM inverse',
            "CREATE MATERIALIZED VIEW by_path AS SELECT first()",
            "CREATE MATERIALIZED VIEW sound AS SELECT n + 1 AS s FROM numbers",
            "CREATE MATERIALIZED VIEW of_sound AS SELECT s + 1 AS s FROM sound",
            "CREATE UNIQUE INDEX ON of_sound (s)",
            'CREATE TABLE "split\u20281; 1 1 MATERIALIZED VIEW DATA x" ()',
            "UPDATE numbers SET n = 0",
        ):
            connection.execute(statement.encode())
    back_up(protected.spec, protected.surroundings)

    record = restore(protected.spec, RestoreOrder("latest", "r1", in_place=in_place), protected.surroundings, _CLUSTER)

    told = record.message.split("; attention: loading 'participant': materialized view ")
    assert len(told) == 4
    for name, reason in (
        ("by_path", '"numbers" does not exist'),
        ("inverse", "division by zero"),
        ("of it", "has not"),
    ):
        assert any(re.match(f"public {name} {USER} stays empty: .*{reason}", one) for one in told)
    assert protected.server.value("participant", "SELECT s FROM of_sound") == 2
    filled = "SELECT string_agg(matviewname, ' ' ORDER BY matviewname) FROM pg_matviews WHERE ispopulated"
    assert protected.server.value("participant", filled) == "of_sound sound"


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["CREATE TABLE hidden ()"], "may not read any row of table public.hidden .* GRANT SELECT ON public.hidden"),
        (
            [
                "CREATE TABLE hidden ()",
                "GRANT SELECT ON hidden TO PUBLIC",
                "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
            ],
            f"may not read every row of table public.hidden .* ALTER ROLE {USER} BYPASSRLS",
        ),
    ],
    ids=["no right", "row level security"],
)
def test_table_that_cannot_be_read_is_told_before_the_dump(
    protected: Protected, statements: list[str], told: str
) -> None:
    for statement in statements:
        protected.server.run("participant", sql.SQL(statement))

    with pytest.raises(RefusedError, match=told):
        back_up(protected.spec, protected.surroundings)

    assert protected.set_ids == []


def test_table_that_stays_locked_is_told(protected: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_client, "_LOCK_WAIT", "100ms")
    with protected.server.admin("participant") as connection, connection.transaction():
        connection.execute("LOCK TABLE participant.lapi_events")

        with pytest.raises(CatalyxDrError, match="somebody holds a table for longer than 100ms: see pg_locks"):
            back_up(protected.spec, protected.surroundings)


def test_change_that_waits_when_a_dump_begins_is_told_at_once(
    protected: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A count would wait for the change, which waits for pg_dump, whose end waits for the count."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'participant.lapi_events'::regclass"
    lock_tables = canton_database.lock_tables

    def while_a_change_waits(connection: Connection) -> None:
        if connection.info.dbname == "participant":
            changes.submit(protected.server.run, "participant", sql.SQL("TRUNCATE participant.lapi_events"))
            while not protected.server.value("participant", waiting):
                time.sleep(0.01)
        lock_tables(connection)

    monkeypatch.setattr(canton_database, "lock_tables", while_a_change_waits)
    with ThreadPoolExecutor(1) as changes, protected.server.admin("participant") as reader, reader.transaction():
        reader.execute("LOCK TABLE participant.lapi_events IN ACCESS SHARE MODE")

        with pytest.raises(CatalyxDrError, match=r'relation "participant\.lapi_events": somebody changes the schema'):
            back_up(protected.spec, protected.surroundings)

    assert protected.set_ids == []


def test_settings_of_roles_and_read_only_databases_are_as_before(
    protected: Protected, silent_validator: WorkloadLog
) -> None:
    settings = (
        "SELECT array_agg(coalesce(nullif(setrole, 0)::regrole::text, '') || setconfig::text ORDER BY setrole) "
        "FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = 'participant'"
    )
    with protected.server.owner("participant") as connection:
        connection.execute("ALTER ROLE CURRENT_USER IN DATABASE participant SET search_path = participant, public")
        connection.execute("ALTER DATABASE participant SET default_transaction_read_only = on")
    before = protected.server.value("participant", settings)

    _round_trip(protected)

    assert len(before) == 2
    assert protected.server.value("participant", settings) == before


@pytest.mark.parametrize("granted", [True, False])
def test_database_of_a_tablespace(
    protected: Protected, silent_validator: WorkloadLog, capsys: pytest.CaptureFixture[str], granted: bool
) -> None:
    server = protected.server
    folder = server.data_folder.with_name("space")
    shutil.copytree(server.data_folder / "pg_tblspc", folder)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server.run("postgres", sql.SQL("CREATE TABLESPACE space LOCATION {}"), str(folder))
    try:
        if granted:
            server.run("postgres", sql.SQL("GRANT CREATE ON TABLESPACE space TO {}"), sql.Identifier(USER))
        server.run("postgres", sql.SQL("ALTER DATABASE participant SET TABLESPACE space"))

        _round_trip(protected)

        found = "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = '{}'"
        assert server.value("postgres", found.format("participant")) == ("space" if granted else "pg_default")
        told = "attention: tablespace space of 'participant' could not be given to the restored database"
        assert (told in capsys.readouterr().out) is not granted
    finally:
        server.drop_all()
        server.run("postgres", sql.SQL("DROP TABLESPACE space"))
        shutil.rmtree(folder)
