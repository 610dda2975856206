"""Restore drills: the newest proven set, restored on another server, proven, timed, and thrown away in any case."""

import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import sql

from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.adapters.postgres_client import PostgresClient
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnprovenError, UnreachableError
from catalyx_dr.model.proofs import Drill
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.drill import drill
from tests.fixtures_postgres import PARTICIPANT_ID, USER, ThrowawayServer, free_port
from tests.fixtures_restore import beside
from tests.fixtures_validator import Protected


@dataclass
class Drilled:
    """A validator with two sets, and a server of which nothing is to stay."""

    protected: Protected
    server: PostgresServer

    def run(self, **patience: timedelta) -> Record:
        return drill(self.protected.spec, self.protected.surroundings, self.server, **patience)

    def declare(self, **changes: object) -> None:
        assert self.protected.spec.drill is not None
        declared = self.protected.spec.drill.model_copy(update=changes)
        self.protected = replace(self.protected, spec=self.protected.spec.model_copy(update={"drill": declared}))

    @property
    def record(self) -> Record:
        return self.protected.surroundings.records.list(kind=RecordKind.DRILL)[0]

    @property
    def left(self) -> list[str]:
        """Databases that a drill left behind."""
        return [name for name in self.protected.server.databases() if name.startswith("drill")]


@pytest.fixture
def drilled(protected: Protected) -> Drilled:
    spec = protected.spec.model_copy(update={"drill": Drill(cron="0 4 * * 6")})
    protected = replace(protected, spec=spec)
    for _ in range(2):
        back_up(protected.spec, protected.surroundings)
        protected.clock.next_day()
    return Drilled(protected, beside(protected.server))


def test_newest_set_is_proven_timed_and_thrown_away(drilled: Drilled) -> None:
    databases = drilled.protected.server.databases()

    record = drilled.run()

    assert (record.status, record.kind) == (RecordStatus.COMPLETED, RecordKind.DRILL)
    assert record.details["set"] == drilled.protected.set_ids[-1]
    assert record.details["participantId"] == PARTICIPANT_ID
    assert record.details["ledgerOffsets"] == {"validator-app": 200, "participant": 200}
    assert isinstance(record.details["recoverySeconds"], int)
    assert drilled.protected.server.databases() == databases


def test_server_without_the_validators_roles_will_do(drilled: Drilled) -> None:
    with tempfile.TemporaryDirectory(prefix="catalyx-dr-drill-") as folder:
        other = ThrowawayServer(Path(folder))
        try:
            other.run("postgres", sql.SQL("DROP DATABASE cantonnet"))
            other.run("postgres", sql.SQL("DROP ROLE cnadmin"))
            drilled.server = beside(other)
            assert drilled.run().status is RecordStatus.COMPLETED
        finally:
            other.stop()


def test_rights_and_owners_of_the_dump_are_made_on_a_server_that_has_no_roles(drilled: Drilled) -> None:
    server = drilled.protected.server
    with tempfile.TemporaryDirectory(prefix="catalyx-dr-drill-") as folder:
        other = ThrowawayServer(Path(folder))
        try:
            server.run("postgres", sql.SQL("CREATE ROLE passing"))
            server.run("postgres", sql.SQL("CREATE ROLE reader"))
            server.run("postgres", sql.SQL("GRANT passing TO {}"), sql.Identifier(USER))
            server.run("participant", sql.SQL("CREATE SCHEMA passing AUTHORIZATION passing"))
            server.run("participant", sql.SQL("CREATE TABLE passing.by ()"))
            server.run("participant", sql.SQL("ALTER TABLE passing.by OWNER TO passing"))
            server.run("participant", sql.SQL("GRANT SELECT ON participant.lapi_parameters TO reader"))
            back_up(drilled.protected.spec, drilled.protected.surroundings)
            drilled.server = beside(other)

            assert drilled.run().status is RecordStatus.COMPLETED

            made = other.value("postgres", "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolsuper")
            assert made == "postgres"
        finally:
            other.stop()
            server.drop_all()
            server.run("postgres", sql.SQL("DROP ROLE passing, reader"))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("CREATE EXTENSION pg_stat_statements", "EXTENSION pg_stat_statements .*permission denied to create extension"),
        (
            "CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION et()",
            'permission denied to create event trigger "et"',
        ),
        (
            "CREATE FUNCTION pid() RETURNS int LANGUAGE internal AS 'pg_backend_pid'",
            r"FUNCTION pid\(\) .* language internal",
        ),
        ("CREATE FOREIGN DATA WRAPPER away", 'permission denied to create foreign-data wrapper "away"'),
        ("CREATE PUBLICATION everything FOR ALL TABLES", "PUBLICATION everything .* must be superuser"),
        ("CREATE TYPE of_another AS ENUM ()", 'TYPE of_another postgres .* role "postgres"'),
    ],
)
def test_what_only_a_superuser_may_make_again_fails_it(drilled: Drilled, statement: str, told: str) -> None:
    function = "CREATE FUNCTION et() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'"
    with drilled.protected.server.owner("participant") as connection:
        connection.execute(function)
    drilled.protected.server.run("participant", sql.SQL(statement))
    back_up(drilled.protected.spec, drilled.protected.surroundings)

    with pytest.raises(RefusedError, match=f"a restore of this set would be refused: user '{USER}' cannot .*{told}"):
        drilled.run()

    assert drilled.left == []
    drilled.declare(as_superuser=True)
    assert drilled.run().status is RecordStatus.COMPLETED


def test_drill_from_the_bucket_needs_only_an_identity(protected_in_bucket: Protected) -> None:
    only = protected_in_bucket.declared(volume=None)
    secrets = only.surroundings.secrets
    secrets.path("age", "identity").parent.mkdir()
    secrets.path("age", "identity").write_text(only.identity_file.read_text())
    declared = Drill(cron="0 4 * * 6", source="bucket", age_identity=SecretKey(name="age", key="identity"))
    only = replace(only, spec=only.spec.model_copy(update={"drill": declared}))
    back_up(only.spec, only.surroundings)

    record = drill(only.spec, only.surroundings, beside(only.server))

    assert record.details["source"] == "bucket"
    assert list((only.surroundings.scratch / "in-flight").iterdir()) == []


def test_damaged_set_fails_the_drill_and_is_marked(drilled: Drilled) -> None:
    older, newest = drilled.protected.set_ids
    folder = drilled.protected.sets_folder / newest / "participant"
    victim = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")

    with pytest.raises(UnprovenError, match="has changed"):
        drilled.run()

    assert drilled.left == []
    assert drilled.protected.volume.is_damaged(newest)
    set_record = drilled.protected.surroundings.records.find(RecordKind.BACKUP_SET, "validator-1", newest)
    assert set_record is not None
    assert set_record.damaged["volume"].startswith("a drill could not restore it")
    assert drilled.run().details["set"] == older


def test_loaded_rows_that_are_not_the_sets_fail_it(drilled: Drilled, monkeypatch: pytest.MonkeyPatch) -> None:
    real = PostgresClient.load

    def losing_a_row(self, server, database, dump, **options):  # type: ignore[no-untyped-def]
        real(self, server, database, dump, **options)
        if "participant" in database:
            statement = sql.SQL("DELETE FROM participant.lapi_events WHERE event_sequential_id = 7")
            drilled.protected.server.run(database, statement)

    monkeypatch.setattr(PostgresClient, "load", losing_a_row)
    with pytest.raises(UnprovenError, match="2999 rows, the set has 3000"):
        drilled.run()
    assert drilled.left == []


def test_record_of_a_killed_drill_is_closed_by_the_next_one(drilled: Drilled) -> None:
    records, deadline = drilled.protected.surroundings.records, drilled.protected.spec.drill.deadline  # type: ignore[union-attr]
    now = drilled.protected.clock()
    for name, age in (("killed", deadline + timedelta(minutes=2)), ("beside", deadline - timedelta(minutes=2))):
        records.save(
            Record(
                kind=RecordKind.DRILL,
                identifier=name,
                validator="validator-1",
                status=RecordStatus.RUNNING,
                phase="load participant",
                started=now - age,
            )
        )

    drilled.run()

    status = {record.identifier: record.status for record in records.list(kind=RecordKind.DRILL)}
    assert (status["killed"], status["beside"]) == (RecordStatus.FAILED, RecordStatus.RUNNING)


def test_failing_load_throws_all_away_and_blames_no_set(drilled: Drilled, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: object, rows: bool = True, **options: object) -> None:
        if rows:
            raise CatalyxDrError("no space left on device")

    monkeypatch.setattr(PostgresClient, "load", failing)
    with pytest.raises(CatalyxDrError, match="no space left"):
        drilled.run()

    assert (drilled.record.status, drilled.record.phase) == (RecordStatus.FAILED, "load validator-app")
    assert drilled.left == []
    assert len(drilled.protected.volume.published()) == 2


def test_set_that_retention_removes_meanwhile_is_not_called_damaged(
    drilled: Drilled, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = drilled.protected.set_ids[-1]

    def removing(*arguments: object) -> None:
        drilled.protected.volume.remove(newest)
        raise UnprovenError("a file is missing")

    monkeypatch.setattr("catalyx_dr.operations.drill.check_set", removing)
    with pytest.raises(CatalyxDrError, match=f"retention removed set {newest} during the drill"):
        drilled.run()


def test_server_that_never_answers_is_said(drilled: Drilled) -> None:
    drilled.server = beside(drilled.protected.server, free_port())

    with pytest.raises(UnreachableError, match="log of the pod's container postgres"):
        drilled.run(patience=timedelta(seconds=0.1))


def test_server_of_another_major_version_is_refused(drilled: Drilled) -> None:
    store = drilled.protected.volume
    (newest, *_) = store.published()
    databases = tuple(capture.model_copy(update={"server_version": "12.1"}) for capture in newest.databases)
    changed = newest.model_copy(update={"databases": databases})
    (store.folder(newest.set_id) / "manifest.json").write_bytes(changed.written)

    with pytest.raises(RefusedError, match=r"write drill\.image: docker\.io/library/postgres:12"):
        drilled.run()


def test_no_set_no_drill(protected: Protected) -> None:
    spec = protected.spec.model_copy(update={"drill": Drill(cron="0 4 * * 6")})

    with pytest.raises(RefusedError, match="no proven backup set"):
        drill(spec, protected.surroundings, beside(protected.server))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (None, "declares no drill"),
        (Drill(cron="0 4 * * 6", source="bucket"), r"needs backup\.bucket and drill\.ageIdentity"),
    ],
)
def test_drill_that_cannot_be_is_refused(protected: Protected, declared: Drill | None, message: str) -> None:
    spec = protected.spec.model_copy(update={"drill": declared})

    with pytest.raises(RefusedError, match=message):
        drill(spec, protected.surroundings, beside(protected.server))
