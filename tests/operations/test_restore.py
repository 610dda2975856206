"""Restores: proven before anything is touched, swapped by renaming, undone or completed after any failure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pyrage
import pytest
from psycopg import sql

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.postgres_client import PostgresClient
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnprovenError
from catalyx_dr.model.record import Record, RecordStatus
from catalyx_dr.model.validator_spec import ValidatorApi
from catalyx_dr.operations import restore as restore_module
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.database_swap import swap_in
from catalyx_dr.operations.restore import Patience, RestoreOrder, restore
from tests.fixtures_postgres import ThrowawayServer
from tests.fixtures_validator import Protected, WorkloadLog

_PATIENCE = Patience(*[timedelta(seconds=3)] * 4)
_CLUSTER: Cluster = None  # type: ignore[assignment]  # workloads are stand-ins
_COUNT = "SELECT count(*) FROM participant.lapi_events"


class _ValidatorApi(BaseHTTPRequestHandler):
    party: ClassVar[str] = "acme-validator-1::1220" + "ab" * 32

    def do_GET(self) -> None:
        body = f'{{"party_id": "{self.party}", "user_name": "operator", "featured": false}}'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def api_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _ValidatorApi)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def backed_up(protected: Protected, api_url: str, workload_log: WorkloadLog) -> Protected:
    """A validator with one set on the volume, changed after it."""
    protected = replace(protected, spec=protected.spec.model_copy(update={"api": ValidatorApi(url=api_url)}))
    back_up(protected.spec, protected.surroundings)
    _change(protected.server)
    return protected


def _change(server: ThrowawayServer) -> None:
    server.run("participant", sql.SQL("DELETE FROM participant.lapi_events"))


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
    _change(backed_up.server)
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

    def failing(self, server, database, dump, *, jobs):  # type: ignore[no-untyped-def]
        real(self, server, database, dump, jobs=jobs)
        if "participant" in database:
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

    def losing_a_row(self, server, database, dump, *, jobs):  # type: ignore[no-untyped-def]
        real(self, server, database, dump, jobs=jobs)
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


class _Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


@pytest.mark.parametrize("when", ["before the swap", "after the swap"])
def test_killed_request_is_completed_by_running_it_again(
    backed_up: Protected, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def killed(*arguments) -> None:  # type: ignore[no-untyped-def]
        if when == "after the swap":
            swap_in(*arguments)
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr("catalyx_dr.operations.restore.swap_in", killed)
        patch.setattr(restore_module._Run, "_undo", lambda self, left: None)
        with pytest.raises(_Killed):
            _restore(backed_up)
    assert not any(workload_log.running.values())
    backed_up.clock.next_day()
    back_up(backed_up.spec, backed_up.surroundings)

    record = _restore(backed_up)

    assert record.details["set"] == backed_up.set_ids[0]
    assert all(workload_log.running.values())
    assert backed_up.server.value("participant", _COUNT) == 3000
    assert [name for name in backed_up.server.databases() if name.startswith("loading")] == []


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

    with pytest.raises(UnprovenError, match="is missing"):
        _restore(backed_up)

    assert _untouched(backed_up, workload_log)


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
    monkeypatch.setattr(_ValidatorApi, "party", "somebody-validator-1::1220" + "cd" * 32)

    with pytest.raises(UnprovenError, match="its party hint should be acme-validator-1"):
        _restore(backed_up)

    (record, _) = backed_up.records
    assert record.status is RecordStatus.FAILED
    assert record.phase == "verify the validator"
    assert set(record.details) >= {"replaced", "recoveryPoint"}


@pytest.fixture
def in_bucket(protected_in_bucket: Protected, api_url: str, workload_log: WorkloadLog) -> Protected:
    """A validator whose only set is in the bucket."""
    spec = protected_in_bucket.spec.model_copy(update={"api": ValidatorApi(url=api_url)})
    only = replace(protected_in_bucket, spec=spec).declared(volume=None)
    back_up(only.spec, only.surroundings)
    _change(only.server)
    return only


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
        ("", "holds no age identity"),
        ("AGE-SECRET-KEY-1QQQ", "damaged age identity"),
    ],
)
def test_missing_or_damaged_identity_is_named(
    in_bucket: Protected, tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "given.txt"
    if content is not None:
        path.write_text(content)

    with pytest.raises(RefusedError, match=message):
        _restore(in_bucket, source="bucket", age_identity_file=path)


def test_bucket_without_an_identity_is_refused(in_bucket: Protected) -> None:
    with pytest.raises(RefusedError, match="give the private age identity"):
        _restore(in_bucket, source="bucket")
