"""Restores: proven before anything is touched, swapped by renaming, undone or completed after any failure."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyrage
import pytest
from psycopg import sql

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.postgres_client import PostgresClient
from catalyx_dr.model.environment_spec import VerdictOverride
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnprovenError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import Encryption
from catalyx_dr.operations import restore_preflight
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.patience import Patience
from catalyx_dr.operations.restore import RestoreOrder, preflight, restore
from catalyx_dr.rules.verdict import Outcome
from tests.fixtures_bucket import AND_LIKE_AWS, STORE_SECRET
from tests.fixtures_restore import PlayedApi, answering_at, change
from tests.fixtures_validator import Protected, WorkloadLog

_PATIENCE = Patience(*[timedelta(seconds=3)] * 4)
_CLUSTER: Cluster = None  # type: ignore[assignment]  # workloads are stand-ins
_COUNT = "SELECT count(*) FROM participant.lapi_events"


def _restore(protected: Protected, set_id: str = "latest", request: str = "r1", **order: object) -> Record:
    wanted = RestoreOrder(set_id, request, **order)  # type: ignore[arg-type]
    return restore(protected.spec, wanted, protected.surroundings, _CLUSTER, _PATIENCE)


def _untouched(protected: Protected, log: WorkloadLog) -> bool:
    """The validator runs on its changed databases, and nothing of a restore is left."""
    names = [name for name in protected.server.databases() if name.startswith(("loading", "replaced"))]
    return names == [] and all(log.running.values()) and protected.server.value("participant", _COUNT) == 0


def test_restored_databases_take_the_place_of_the_present_ones(backed_up: Protected, workload_log: WorkloadLog) -> None:
    record = _restore(backed_up)

    assert record.status is RecordStatus.COMPLETED
    assert backed_up.server.value("participant", _COUNT) == 3000
    assert workload_log.done == [
        *("stop validator-app", "stop participant", "wait for validator-app", "wait for participant"),
        *("start validator-app", "start participant", "wait for validator-app", "wait for participant"),
    ]
    replaced = record.details["replaced"]
    assert isinstance(replaced, dict)
    assert set(replaced) == {"validator-app", "participant"}
    assert backed_up.server.value(str(replaced["participant"]), _COUNT) == 0
    assert not any(name.startswith("participant") for name in replaced.values() if isinstance(name, str))
    assert record.details["set"] == backed_up.set_ids[-1]


def test_same_request_does_nothing_twice_and_a_new_one_restores_again(
    backed_up: Protected, workload_log: WorkloadLog
) -> None:
    first = _restore(backed_up)
    change(backed_up.server)
    workload_log.done.clear()

    assert _restore(backed_up) == first
    assert workload_log.done == []
    assert backed_up.server.value("participant", _COUNT) == 0

    _restore(backed_up, request="r2")
    assert backed_up.server.value("participant", _COUNT) == 3000


def test_lost_databases_are_restored(backed_up: Protected) -> None:
    for name in ("participant", "cantonnet_validator"):
        backed_up.server.run("postgres", sql.SQL("DROP DATABASE {} WITH (FORCE)"), sql.Identifier(name))

    record = _restore(backed_up)

    assert record.details["replaced"] == {}
    assert backed_up.server.value("participant", _COUNT) == 3000


def test_sessions_that_are_left_are_ended(backed_up: Protected) -> None:
    with backed_up.server.owner("participant"):
        _restore(backed_up)

    assert backed_up.server.value("participant", _COUNT) == 3000


def test_session_that_may_not_be_ended_undoes_the_restore(backed_up: Protected, workload_log: WorkloadLog) -> None:
    with backed_up.server.admin("participant"), pytest.raises(RefusedError, match="still in use by postgres"):
        _restore(backed_up)

    assert _untouched(backed_up, workload_log)
    assert _restore(backed_up).status is RecordStatus.COMPLETED


def test_failing_load_leaves_the_validator_untouched(
    backed_up: Protected, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PostgresClient.load

    def failing(self, server, database, dump, **options):  # type: ignore[no-untyped-def]
        real(self, server, database, dump, **options)
        if "participant" in database and options.get("rows", True):
            raise CatalyxDrError("connection lost")

    monkeypatch.setattr(PostgresClient, "load", failing)
    with pytest.raises(CatalyxDrError, match="connection lost"):
        _restore(backed_up)

    assert _untouched(backed_up, workload_log)
    assert workload_log.done == []
    monkeypatch.undo()


def test_loaded_database_with_other_rows_is_not_swapped_in(
    backed_up: Protected, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PostgresClient.load

    def losing_a_row(self, server, database, dump, **options):  # type: ignore[no-untyped-def]
        real(self, server, database, dump, **options)
        if "participant" in database:
            backed_up.server.run(database, sql.SQL("DELETE FROM participant.lapi_events WHERE event_sequential_id = 7"))

    monkeypatch.setattr(PostgresClient, "load", losing_a_row)
    with pytest.raises(UnprovenError, match=r"participant\.lapi_events has 2999 rows, the set has 3000"):
        _restore(backed_up)

    assert _untouched(backed_up, workload_log)


def test_failing_swap_is_undone(
    backed_up: Protected, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: object) -> None:
        raise CatalyxDrError("server restarted")

    with monkeypatch.context() as patch:
        patch.setattr("catalyx_dr.operations.restore.swap_in", failing)
        with pytest.raises(CatalyxDrError, match="server restarted"):
            _restore(backed_up)

    assert _untouched(backed_up, workload_log)


@pytest.mark.parametrize("position", [0, 5, -1, 0.5])
@pytest.mark.parametrize("role", ["validator-app", "participant"])
def test_set_damaged_by_one_byte_is_refused(
    backed_up: Protected, workload_log: WorkloadLog, role: str, position: float
) -> None:
    folder = backed_up.sets_folder / backed_up.set_ids[0] / role
    victim = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[int(position * len(content)) if isinstance(position, float) else position] ^= 1
    victim.write_bytes(content)

    with pytest.raises(UnprovenError, match=rf"{role}/{victim.name} has changed"):
        _restore(backed_up)

    assert _untouched(backed_up, workload_log)
    assert workload_log.done == []


def test_set_with_a_missing_file_is_refused(backed_up: Protected, workload_log: WorkloadLog) -> None:
    next((backed_up.sets_folder / backed_up.set_ids[0] / "participant").iterdir()).unlink()

    with pytest.raises(RefusedError, match=f"{backed_up.set_ids[0]} is not proven"):
        _restore(backed_up, backed_up.set_ids[0])

    assert _untouched(backed_up, workload_log)


def test_latest_is_the_newest_set_that_is_complete_for_both_databases(backed_up: Protected) -> None:
    backed_up.clock.next_day()
    back_up(backed_up.spec, backed_up.surroundings)
    next((backed_up.sets_folder / backed_up.set_ids[1] / "participant").iterdir()).unlink()

    assert _restore(backed_up).details["set"] == backed_up.set_ids[0]


def test_latest_before_a_moment(backed_up: Protected) -> None:
    backed_up.clock.next_day()
    back_up(backed_up.spec, backed_up.surroundings)
    between = (backed_up.clock() - timedelta(hours=12)).isoformat()

    record = _restore(backed_up, f"latest before {between}")

    assert record.details["set"] == backed_up.set_ids[0]
    assert backed_up.server.value("participant", _COUNT) == 3000


def test_old_set_is_refused(backed_up: Protected, workload_log: WorkloadLog) -> None:
    for _ in range(31):
        backed_up.clock.next_day()

    with pytest.raises(RefusedError, match="sequencers keep 30 days"):
        _restore(backed_up)

    assert _untouched(backed_up, workload_log)


def test_unknown_set_is_refused_with_a_choice(backed_up: Protected) -> None:
    with pytest.raises(RefusedError, match=f"available: {backed_up.set_ids[0]}"):
        _restore(backed_up, "20200101t000000z")


def test_set_of_another_validator_is_refused(backed_up: Protected) -> None:
    other = replace(backed_up, spec=backed_up.spec.model_copy(update={"party_hint": "other-validator-1"}))

    with pytest.raises(RefusedError, match="is of validator validator-1"):
        _restore(other)


def test_missing_workload_is_refused(backed_up: Protected, workload_log: WorkloadLog) -> None:
    del workload_log.running["participant"]

    with pytest.raises(RefusedError, match="deployment/participant: not in namespace"):
        _restore(backed_up)


def test_wrong_party_is_not_called_restored(backed_up: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlayedApi, "party", "somebody-validator-1::1220" + "cd" * 32)

    with pytest.raises(UnprovenError, match="its party hint should be acme-validator-1"):
        _restore(backed_up)

    (record, _) = backed_up.records
    assert record.status is RecordStatus.FAILED
    assert record.phase == "verify the validator"
    assert set(record.details) >= {"replaced", "recoveryPoint"}


@pytest.fixture
def in_bucket(protected_in_bucket: Protected, api_url: str, workload_log: WorkloadLog) -> Protected:
    """A validator whose only set is in the bucket."""
    spec = protected_in_bucket.spec.model_copy(update=answering_at(api_url))
    only = replace(protected_in_bucket, spec=spec).declared(volume=None)
    back_up(only.spec, only.surroundings)
    change(only.server)
    return only


@AND_LIKE_AWS
def test_restore_from_the_bucket(in_bucket: Protected) -> None:
    record = _restore(in_bucket, source="bucket", age_identity_file=in_bucket.identity_file)

    assert record.status is RecordStatus.COMPLETED
    assert in_bucket.server.value("participant", _COUNT) == 3000
    assert list((in_bucket.surroundings.scratch / "in-flight").iterdir()) == []


def test_wrong_identity_is_named_before_the_restore(
    in_bucket: Protected, workload_log: WorkloadLog, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(str(pyrage.x25519.Identity.generate()))

    with pytest.raises(RefusedError, match="not encrypted to the given age identity") as caught:
        _restore(in_bucket, source="bucket", age_identity_file=wrong)

    assert "AGE-SECRET-KEY" not in str(caught.value)
    assert _untouched(in_bucket, workload_log)
    assert [record.phase for record in in_bucket.records if record.identifier == "r1"] == ["preflight"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "holds no age identity"),
        (b"AGE-SECRET-KEY-1QQQ", "damaged age identity"),
        ("AGE-SECRET-KEY-1QQQ".encode("utf-16"), "holds no age identity"),
    ],
)
def test_missing_or_damaged_identity_is_named(
    in_bucket: Protected, tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "given.txt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(RefusedError, match=message):
        _restore(in_bucket, source="bucket", age_identity_file=path)


def test_bucket_that_holds_nothing_under_the_prefix_is_named_with_it(
    in_bucket: Protected, workload_log: WorkloadLog
) -> None:
    renamed = replace(in_bucket, spec=in_bucket.spec.model_copy(update={"name": "renamed"}))
    with pytest.raises(RefusedError, match=r"set-proven: there is no proven backup set; .* under renamed/sets/"):
        _restore(renamed, source="bucket", age_identity_file=in_bucket.identity_file)
    assert _untouched(in_bucket, workload_log)


def test_wrong_access_key_is_named_before_the_restore(in_bucket: Protected, workload_log: WorkloadLog) -> None:
    in_bucket.surroundings.secrets.path(STORE_SECRET, "secret-access-key").write_text("of another store")
    with pytest.raises(RefusedError, match=r"set-proven: could not list .* in bucket .*: SignatureDoesNotMatch"):
        _restore(in_bucket, source="bucket", age_identity_file=in_bucket.identity_file)
    assert _untouched(in_bucket, workload_log)


def test_bucket_without_an_identity_is_refused(in_bucket: Protected) -> None:
    with pytest.raises(RefusedError, match="give the private age identity"):
        _restore(in_bucket, source="bucket")


REFUSALS: list[tuple[str, dict[str, object], str]] = [
    ("migration", {"migration_id": 2}, "synchronizer-upgrade: taken at migration 1, now 2"),
    ("space", {}, "space: PostgreSQL at .* holds 2 MiB; .* more needed"),
]


@pytest.mark.parametrize(("name", "changes", "message"), REFUSALS)
def test_refusal_stops_unless_it_is_overridden_by_name_with_a_reason(
    backed_up: Protected, workload_log: WorkloadLog, name: str, changes: dict[str, object], message: str
) -> None:
    spec = backed_up.spec.model_copy(update=changes)
    if name == "space":
        databases = {
            role: getattr(spec.databases, role).model_copy(update={"storage": Quantity.parse("1Mi")})
            for role in ("validator_app", "participant")
        }
        spec = spec.model_copy(update={"databases": spec.databases.model_copy(update=databases)})
    declared = replace(backed_up, spec=spec)
    with pytest.raises(RefusedError, match=message) as caught:
        _restore(declared)
    assert _untouched(backed_up, workload_log)

    verdict = str(caught.value).splitlines()[1].split(": ")[1]
    reason = "the old nodes are still up"
    record = _restore(declared, overrides=(VerdictOverride(verdict=verdict, reason=reason),))

    assert record.details["overrides"] == {verdict: reason}
    told = record.details["preflight"]
    assert isinstance(told, list)
    (lowered,) = [one for one in told if isinstance(one, dict) and one["name"] == verdict]
    assert lowered["outcome"] == "warning"
    assert f"(overridden: {reason})" in str(lowered["found"])


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        ("set-order", "verdict 'set-order' may never be overridden: an app that is ahead"),
        ("set-old", "there is no verdict 'set-old'; those that may be overridden: set-age, synchronizer-upgrade"),
    ],
)
def test_what_nobody_may_override_is_refused(
    backed_up: Protected, workload_log: WorkloadLog, verdict: str, message: str
) -> None:
    with pytest.raises(RefusedError, match=message):
        _restore(backed_up, overrides=(VerdictOverride(verdict=verdict, reason="because I want to"),))

    assert _untouched(backed_up, workload_log)


def test_missing_permission_is_found_before_anything_is_stopped(
    backed_up: Protected, workload_log: WorkloadLog
) -> None:
    workload_log.denied = ("patch deployments participant",)

    with pytest.raises(RefusedError, match="permissions: not allowed to patch deployments participant"):
        _restore(backed_up)

    assert workload_log.done == []


def test_every_verdict_is_told_when_a_server_is_away(backed_up: Protected, workload_log: WorkloadLog) -> None:
    gone = backed_up.spec.databases.server.model_copy(update={"port": 1})
    databases = backed_up.spec.databases.model_copy(update={"server": gone})
    away = replace(backed_up, spec=backed_up.spec.model_copy(update={"databases": databases}))

    verdicts = preflight(away.spec, RestoreOrder("latest", "r1"), away.surroundings, _CLUSTER)

    assert [one.name for one in verdicts if one.outcome is Outcome.REFUSAL] == ["database-servers"]
    assert {"set-proven", "set-age", "set-order", "workloads", "permissions"} <= {one.name for one in verdicts}
    with pytest.raises(RefusedError, match=r"database-servers: .*cannot be reached"):
        _restore(away)


def _as_owner(protected: Protected, statement: str) -> None:
    with protected.server.owner("participant") as connection:
        connection.execute(statement.encode())


def test_set_of_a_newer_canton_is_refused(backed_up: Protected, workload_log: WorkloadLog) -> None:
    history = "participant.flyway_schema_history AS SELECT generate_series(1, 12) AS installed_rank"
    _as_owner(backed_up, f"CREATE TABLE {history}")
    backed_up.clock.next_day()
    back_up(backed_up.spec, backed_up.surroundings)
    backed_up.server.run(
        "participant", sql.SQL("DELETE FROM participant.flyway_schema_history WHERE installed_rank > 10")
    )

    with pytest.raises(RefusedError, match="canton-version: participant: the set's schema has 12 steps, the present"):
        _restore(backed_up)


def test_set_that_the_same_place_has_no_record_of_warns_of_the_original(backed_up: Protected) -> None:
    for record in backed_up.records:
        backed_up.surroundings.records.delete(record)

    verdicts = preflight(backed_up.spec, RestoreOrder("latest", "r1"), backed_up.surroundings, _CLUSTER)

    (original,) = [one for one in verdicts if one.name == "original-stopped"]
    assert original.outcome is Outcome.WARNING
    assert "perhaps of another cluster" in original.found


def test_restore_in_place_needs_room_for_one_copy_only_and_has_no_way_back(
    backed_up: Protected, workload_log: WorkloadLog
) -> None:
    backed_up.server.run("postgres", sql.SQL("ALTER DATABASE participant SET work_mem = '5MB'"))

    record = _restore(backed_up, in_place=True)

    assert record.details["replaced"] == {}
    assert backed_up.server.value("participant", _COUNT) == 3000
    assert backed_up.server.value("participant", "SHOW work_mem") == "5MB"
    assert [name for name in backed_up.server.databases() if name.startswith(("replaced", "loading"))] == []
    assert workload_log.done[:2] == ["stop validator-app", "stop participant"]


def test_failed_restore_in_place_keeps_the_validator_stopped_and_is_completed_by_the_next_run(
    backed_up: Protected, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up.server.run("postgres", sql.SQL("ALTER DATABASE participant SET work_mem = '5MB'"))
    with monkeypatch.context() as patch:
        patch.setattr(PostgresClient, "load", _broken_load)
        with pytest.raises(CatalyxDrError, match="connection lost"):
            _restore(backed_up, in_place=True)
    assert not any(workload_log.running.values())
    assert "cantonnet_validator" not in backed_up.server.databases()

    _restore(backed_up, in_place=True)

    assert all(workload_log.running.values())
    assert backed_up.server.value("participant", _COUNT) == 3000
    assert backed_up.server.value("participant", "SHOW work_mem") == "5MB"


def _broken_load(*_arguments: object, rows: bool = True, **_options: object) -> None:
    if rows:
        raise CatalyxDrError("connection lost")


def test_damaged_set_is_found_before_anything_is_dropped_in_place(
    backed_up: Protected, workload_log: WorkloadLog
) -> None:
    victim = next((backed_up.sets_folder / backed_up.set_ids[0] / "participant").glob("*.dat*"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")

    with pytest.raises(UnprovenError, match="has changed"):
        _restore(backed_up, in_place=True)

    assert _untouched(backed_up, workload_log)


def test_party_that_scan_sees_on_another_participant_is_refused_and_never_called_restored(
    backed_up: Protected, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlayedApi, "hosted_by", "PAR::acme-validator-1b::1220" + "ab" * 32)

    with pytest.raises(RefusedError, match=r"party-place: Scan says that PAR::acme-validator-1b::.* has the party"):
        _restore(backed_up)
    assert _untouched(backed_up, workload_log)

    in_spite = VerdictOverride(verdict="party-place", reason="the party is moved back by hand")
    with pytest.raises(UnprovenError, match=r"Scan says .* is hosted by PAR::acme-validator-1b"):
        _restore(backed_up, overrides=(in_spite,))

    (record, _) = backed_up.records
    assert record.status is RecordStatus.FAILED


def test_set_from_before_an_upgrade_of_the_synchronizer_is_refused(
    backed_up: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlayedApi, "serial", 4)

    with pytest.raises(RefusedError, match="synchronizer-upgrade: taken at synchronizer serial 3, Scan says 4 now"):
        _restore(backed_up)


def test_record_tells_recovery_time_and_point_and_what_proved_it(backed_up: Protected) -> None:
    details = _restore(backed_up).details

    manifest = backed_up.volume.manifest(backed_up.set_ids[0])
    assert details["recoveryPoint"] == manifest.started.isoformat()
    assert isinstance(details["recoverySeconds"], int)
    assert isinstance(details["lostSeconds"], int)
    assert details["provenBy"] == ["readiness", "validator-user", "scan"]


def test_cluster_is_gone_and_the_bucket_is_all_there_is(in_bucket: Protected) -> None:
    in_bucket.clock.next_day()
    back_up(in_bucket.spec, in_bucket.surroundings)
    taken = [record.identifier for record in in_bucket.records]
    for record in in_bucket.records:
        in_bucket.surroundings.records.delete(record)
    for name in ("participant", "cantonnet_validator"):
        in_bucket.server.run("postgres", sql.SQL("DROP DATABASE {} WITH (FORCE)"), sql.Identifier(name))

    record = _restore(in_bucket, source="bucket", age_identity_file=in_bucket.identity_file)

    assert record.details["set"] == max(taken)
    found = in_bucket.surroundings.records.list(kind=RecordKind.BACKUP_SET)
    assert [one.identifier for one in found] == sorted(taken, reverse=True)
    assert all(one.is_sound_in("bucket") for one in found)
    in_bucket.clock.next_day()
    back_up(in_bucket.spec, in_bucket.surroundings)


def test_set_of_another_namespace_is_restored_unless_its_original_answers_there(
    in_bucket: Protected, api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = replace(in_bucket, spec=in_bucket.spec.model_copy(update={"namespace": "elsewhere"}))
    with monkeypatch.context() as patch:
        patch.setattr(restore_preflight, "in_namespace", lambda url, own, other: f"{api_url}" if other else None)
        with pytest.raises(RefusedError, match=r"original-stopped: .* runs at http://127.* as acme-validator-1::1220"):
            _restore(moved, source="bucket", age_identity_file=in_bucket.identity_file)

    monkeypatch.setattr(restore_preflight, "in_namespace", lambda url, own, other: "http://127.0.0.1:9")
    record = _restore(moved, source="bucket", age_identity_file=in_bucket.identity_file)

    assert record.status is RecordStatus.COMPLETED


@pytest.mark.parametrize(
    ("url", "elsewhere"),
    [
        ("http://validator-app:5003", "http://validator-app.other.svc:5003"),
        ("http://validator-app.own.svc.cluster.local:5003", "http://validator-app.other.svc:5003"),
        ("https://wallet.validator.example.com", None),
    ],
)
def test_original_is_looked_for_at_the_same_service_of_its_namespace(url: str, elsewhere: str | None) -> None:
    assert restore_preflight.in_namespace(url, "own", "other") == elsewhere


def test_break_glass_key_opens_what_everybody_else_lost(
    protected_in_bucket: Protected, api_url: str, workload_log: WorkloadLog, tmp_path: Path
) -> None:
    """Two recipients; the file that is given holds a stranger's identity besides the one from the safe."""
    stranger, broken_glass = (pyrage.x25519.Identity.generate() for _ in range(2))
    assert protected_in_bucket.spec.encryption is not None
    everyday = protected_in_bucket.spec.encryption.recipients[0]
    both = Encryption(recipients=(everyday, str(broken_glass.to_public())))
    spec = protected_in_bucket.spec.model_copy(update={**answering_at(api_url), "encryption": both})
    only = replace(protected_in_bucket, spec=spec).declared(volume=None)
    back_up(only.spec, only.surroundings)
    change(only.server)
    safe = tmp_path / "safe.txt"
    safe.write_text(f"# of another team\n{stranger}\n# from the safe\n{broken_glass}\n")

    assert _restore(only, source="bucket", age_identity_file=safe).status is RecordStatus.COMPLETED
    assert _restore(only, request="r2", source="bucket", age_identity_file=only.identity_file).identifier == "r2"
