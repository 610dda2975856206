"""Backup sets: in order, proven, published or absent, kept by rule."""

import io
from typing import Any

import pytest
from psycopg import sql

from catalyx_dr.adapters import canton_database, postgres_client
from catalyx_dr.adapters.row_counting import rows_in
from catalyx_dr.adapters.volume_store import only_run
from catalyx_dr.model.backup import BackupVolume
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError, MissingError, RefusedError, UnprovenError
from catalyx_dr.model.record import RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.capture import Dumped, Source, dump
from tests.fixtures_identity import import_that_runs
from tests.fixtures_postgres import PARTICIPANT_ID, PARTICIPANT_TABLES, PASSWORD
from tests.fixtures_validator import Protected


def _manifest(protected: Protected, set_id: str) -> Manifest:
    return protected.volume.manifest(set_id)


def _nothing_listed(protected: Protected) -> bool:
    in_flight = protected.surroundings.volume / "in-flight"
    return protected.set_ids == [] and list(in_flight.iterdir()) == []


def test_set_holds_both_databases_in_order_with_their_offsets(protected: Protected) -> None:
    record = back_up(protected.spec, protected.surroundings)

    manifest = _manifest(protected, record.identifier)
    app, participant = manifest.databases
    assert (app.role, participant.role) == (DatabaseRole.VALIDATOR_APP, DatabaseRole.PARTICIPANT)
    assert app.completed <= participant.started
    assert (app.ledger_offset, participant.ledger_offset) == (200, 200)
    assert manifest.participant_id == PARTICIPANT_ID
    assert app.row_counts["validator.user_wallet_acs_store"] == 500
    assert participant.row_counts["participant.lapi_events"] == 3000
    assert record.status is RecordStatus.COMPLETED
    assert record.locations == ("volume",)
    assert record.bytes == manifest.bytes > 0
    assert protected.records == [record]


def test_nothing_secret_is_left_in_scratch_or_output(protected: Protected, capfd: pytest.CaptureFixture[str]) -> None:
    back_up(protected.spec, protected.surroundings)

    assert [path.name for path in protected.surroundings.scratch.iterdir()] == []
    assert PASSWORD not in "".join(capfd.readouterr())
    assert PASSWORD not in (protected.sets_folder / protected.set_ids[0] / "manifest.json").read_text()


def test_rows_written_after_the_snapshot_are_in_neither_dump_nor_counts(
    protected: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = canton_database.row_counts

    def count_after_a_write(connection):  # type: ignore[no-untyped-def]
        protected.server.run(
            connection.info.dbname, sql.SQL("CREATE TABLE IF NOT EXISTS public.late AS SELECT generate_series(1, 9)")
        )
        return real(connection)

    monkeypatch.setattr(canton_database, "row_counts", count_after_a_write)
    record = back_up(protected.spec, protected.surroundings)

    assert all("public.late" not in capture.row_counts for capture in _manifest(protected, record.identifier).databases)


def test_app_ahead_of_participant_is_not_published(protected: Protected) -> None:
    protected.server.run("participant", sql.SQL("UPDATE participant.lapi_parameters SET ledger_end = 199"))

    with pytest.raises(UnprovenError, match="ingested offset 200, but the participant's ledger ends at 199"):
        back_up(protected.spec, protected.surroundings)

    assert _nothing_listed(protected)
    assert [(record.status, record.phase) for record in protected.records] == [(RecordStatus.FAILED, "prove the order")]


def test_second_run_is_refused_and_first_unharmed(protected: Protected) -> None:
    first = back_up(protected.spec, protected.surroundings)

    with only_run(protected.surroundings.volume), pytest.raises(RefusedError, match="another backup or restore"):
        back_up(protected.spec, protected.surroundings)

    assert protected.records == [first]
    assert protected.set_ids == [first.identifier]


def test_retention_keeps_the_declared_number_and_records_stay_true(protected: Protected) -> None:
    two = protected.declared(volume=BackupVolume(storage_class="standard", retention=Retention(keep=2)))
    taken = []
    for _ in range(4):
        taken.append(back_up(two.spec, two.surroundings).identifier)
        two.clock.next_day()

    assert two.set_ids == taken[2:]
    assert sorted(record.identifier for record in two.records) == taken[2:]


def test_failed_run_keeps_every_proven_set(protected: Protected) -> None:
    one = protected.declared(volume=BackupVolume(storage_class="standard", retention=Retention(keep=1)))
    good = back_up(one.spec, one.surroundings).identifier
    one.server.run("participant", sql.SQL("UPDATE participant.lapi_parameters SET ledger_end = 1"))
    for _ in range(3):
        one.clock.next_day()
        with pytest.raises(UnprovenError):
            back_up(one.spec, one.surroundings)

    assert one.set_ids == [good]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "nowhere", "has no database 'nowhere'"),
        ("name", "participant", "is not the validator-app database"),
        ("schema_name", "elsewhere", "has no table elsewhere.store_last_ingested_offsets"),
    ],
)
def test_wrong_database_is_refused_before_anything_is_written(
    protected: Protected, field: str, value: str, message: str
) -> None:
    databases = protected.spec.databases
    wrong = databases.model_copy(update={"validator_app": databases.validator_app.model_copy(update={field: value})})

    with pytest.raises(RefusedError, match=message):
        back_up(protected.spec.model_copy(update={"databases": wrong}), protected.surroundings)

    assert _nothing_listed(protected)


def test_unreachable_server_is_said(protected: Protected) -> None:
    server = protected.spec.databases.server.model_copy(update={"port": 1})
    databases = protected.spec.databases.model_copy(update={"server": server})

    with pytest.raises(
        CatalyxDrError, match=r"PostgreSQL at 127\.0\.0\.1:1 database 'cantonnet_validator' cannot be reached"
    ):
        back_up(protected.spec.model_copy(update={"databases": databases}), protected.surroundings)


def test_wrong_password_names_the_secret(protected: Protected) -> None:
    protected.surroundings.secrets.path("postgres-secrets", "postgresPassword").write_text("wrong")

    with pytest.raises(RefusedError, match="key 'postgresPassword' of Secret 'postgres-secrets'") as caught:
        back_up(protected.spec, protected.surroundings)

    assert "wrong" not in str(caught.value)


def test_missing_client_is_refused(protected: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_client, "_FOLDERS", ())
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(RefusedError, match=r"are not installed here \(found: none\)"):
        back_up(protected.spec, protected.surroundings)


def test_leftovers_of_a_killed_run_are_cleaned_and_recorded(protected: Protected) -> None:
    killed = protected.surroundings.volume / "in-flight" / "20200101t000000z"
    (killed / "validator-app").mkdir(parents=True)
    (killed / "validator-app" / "toc.dat").write_bytes(b"half")

    back_up(protected.spec, protected.surroundings)

    assert list((protected.surroundings.volume / "in-flight").iterdir()) == []
    assert len(protected.set_ids) == 1


def test_dump_that_cannot_be_decoded_is_not_published(protected: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(name: str, content: io.RawIOBase) -> int | None:
        found = content.read() or b""
        return rows_in(name, io.BytesIO(found[:-20] if len(found) > 10_000 else found))  # type: ignore[arg-type]

    monkeypatch.setattr("catalyx_dr.adapters.dump_proof.rows_in", damaged)
    with pytest.raises(UnprovenError, match="cannot be read back, so it is not published"):
        back_up(protected.spec, protected.surroundings)

    assert _nothing_listed(protected)


def test_database_that_is_replaced_between_the_dumps_makes_no_set(
    protected: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an identity import does, which waits for no backup."""

    def replacing(source: Source, *given: Any) -> Dumped:
        if source.role is DatabaseRole.PARTICIPANT:
            protected.server.run("postgres", sql.SQL("ALTER DATABASE participant RENAME TO replaced"))
            protected.server.create("participant", PARTICIPANT_TABLES)
        return dump(source, *given)

    monkeypatch.setattr("catalyx_dr.operations.backup.dump", replacing)
    with pytest.raises(CatalyxDrError, match="database 'participant' was replaced while the set was taken"):
        back_up(protected.spec, protected.surroundings)

    assert _nothing_listed(protected)


def test_participant_of_an_import_that_goes_on_makes_no_set_and_one_that_failed_is_told(protected: Protected) -> None:
    running = import_that_runs(protected.spec.name, PARTICIPANT_ID, protected.clock())
    protected.surroundings.records.save(running)
    with pytest.raises(UnprovenError, match=r"identity import r1 started .* as PAR::.* has not proven it yet"):
        back_up(protected.spec, protected.surroundings)
    assert _nothing_listed(protected)

    protected.clock.next_day()

    assert "attention: identity import r1 started" in back_up(protected.spec, protected.surroundings).message


def test_set_with_a_damaged_manifest_is_no_set(protected: Protected) -> None:
    set_id = back_up(protected.spec, protected.surroundings).identifier
    store = protected.volume
    of_another = store.manifest(set_id).model_copy(update={"set_id": "20200101t000000z"})
    (protected.sets_folder / set_id / "manifest.json").write_bytes(of_another.written)

    assert store.published() == []
    with pytest.raises(UnprovenError, match="holds the manifest of 20200101t000000z"):
        store.manifest(set_id)
    with pytest.raises(MissingError, match="found: " + set_id):
        store.manifest("20200101t000000z")
