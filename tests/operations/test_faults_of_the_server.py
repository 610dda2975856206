"""Servers that fail, refuse or limit in the middle of a recovery: told, undone, and completed by the same request."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.postgres import Connection
from catalyx_dr.adapters.postgres_client import PostgresClient
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnreachableError
from catalyx_dr.model.proofs import Drill
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.operations.drill import drill
from catalyx_dr.operations.patience import Patience
from catalyx_dr.operations.progress import Progress
from catalyx_dr.operations.restore import RestoreOrder, restore
from catalyx_dr.operations.rollback import roll_back
from tests.fixtures_postgres import USER
from tests.fixtures_restore import beside
from tests.fixtures_validator import Protected, WorkloadLog

_PATIENCE = Patience(*[timedelta(seconds=15)] * 4)
_CLUSTER: Cluster = None  # type: ignore[assignment]  # workloads are stand-ins
_COUNT = "SELECT count(*) FROM participant.lapi_events"
_AWAY = 1.0


def _restore(protected: Protected, *, in_place: bool = False) -> Record:
    order = RestoreOrder("latest", "r1", in_place=in_place)
    return restore(protected.spec, order, protected.surroundings, _CLUSTER, _PATIENCE)


def _roll_back(protected: Protected, *, undo: bool = False) -> Record:
    return roll_back(protected.spec, "r1", protected.surroundings, _CLUSTER, _PATIENCE, undo=undo)


def _left(protected: Protected) -> list[str]:
    """Databases of recoveries."""
    ours = ("loading", "replaced", "rolledback", "drill")
    return [name for name in protected.server.databases() if name.startswith(ours)]


def _untouched(protected: Protected, log: WorkloadLog) -> bool:
    """The validator runs on its changed databases, and nothing of a restore is left."""
    return all(log.running.values()) and _left(protected) == [] and protected.server.value("participant", _COUNT) == 0


@pytest.fixture
def when(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], Any]], None]:
    """Do something once, when a run enters a phase."""

    def prepare(phase: str, action: Callable[[], Any]) -> None:
        real, left = Progress.phase, [action]

        def entered(self: Progress, name: str, percent: int) -> None:
            real(self, name, percent)
            if left and name.startswith(phase):
                left.pop()()

        monkeypatch.setattr(Progress, "phase", entered)

    return prepare


When = Callable[[str, Callable[[], Any]], None]


@pytest.mark.parametrize("phase", ["try the schemas", "load into", "prove the loaded", "swap the databases"])
def test_server_that_crashes_is_waited_for_and_the_validator_runs_on_as_it_was(
    backed_up: Protected, workload_log: WorkloadLog, when: When, phase: str
) -> None:
    when(phase, lambda: backed_up.server.crash(_AWAY))

    with pytest.raises(UnreachableError, match=r"PostgreSQL at .* look at the server and its log, then run again"):
        _restore(backed_up)

    assert _untouched(backed_up, workload_log)
    assert _restore(backed_up).status is RecordStatus.COMPLETED
    assert backed_up.server.value("participant", _COUNT) == 3000


def test_session_that_is_ended_before_a_new_database_has_its_mark_leaves_none(
    backed_up: Protected, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(connection: Connection, *_given: object) -> None:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as patch:
        patch.setattr("catalyx_dr.adapters.postgres.mark", ended)
        with pytest.raises(UnreachableError, match="terminating connection due to administrator command"):
            _restore(backed_up)

    assert _untouched(backed_up, workload_log)


@pytest.mark.parametrize("undo", [False, True], ids=["rollback", "undo"])
def test_server_that_crashes_before_a_rollback_leaves_the_validator_running(
    backed_up: Protected, workload_log: WorkloadLog, when: When, undo: bool
) -> None:
    _restore(backed_up)
    if undo:
        _roll_back(backed_up)
    before = backed_up.server.value("participant", _COUNT)
    when("swap the databases", lambda: backed_up.server.crash(_AWAY))

    with pytest.raises(UnreachableError):
        _roll_back(backed_up, undo=undo)

    assert all(workload_log.running.values())
    assert backed_up.server.value("participant", _COUNT) == before
    assert _roll_back(backed_up, undo=undo).status is RecordStatus.COMPLETED
    assert backed_up.server.value("participant", _COUNT) == 3000 - before
    assert all(workload_log.running.values())


def test_rollback_of_a_restore_that_was_never_proven_starts_nothing_when_it_fails(
    backed_up: Protected, workload_log: WorkloadLog, when: When, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever takes it back may have stopped what it put in place."""
    record = _restore(backed_up)
    backed_up.surroundings.records.save(record.model_copy(update={"status": RecordStatus.FAILED}))
    when("swap the databases", lambda: backed_up.server.crash(0))

    with pytest.raises(UnreachableError):
        _roll_back(backed_up)

    assert not any(workload_log.running.values())
    assert "attention: the workloads may be stopped; run the same command again" in capsys.readouterr().out
    backed_up.server.wait()
    assert _roll_back(backed_up).status is RecordStatus.COMPLETED


def test_server_that_crashes_in_a_drill_damages_no_set(backed_up: Protected, when: When) -> None:
    spec = backed_up.spec.model_copy(update={"drill": Drill(cron="0 4 * * 6")})
    when("load participant", lambda: backed_up.server.crash(_AWAY))

    with pytest.raises(CatalyxDrError, match=r"PostgreSQL at .* look at the server and its log"):
        drill(spec, backed_up.surroundings, beside(backed_up.server))

    assert [record.status for record in backed_up.records if record.kind is RecordKind.DRILL] == [RecordStatus.FAILED]
    backed_up.server.wait()
    backed_up.clock.next_day()
    assert drill(spec, backed_up.surroundings, beside(backed_up.server)).status is RecordStatus.COMPLETED
    assert _left(backed_up) == []


@pytest.fixture
def small_space(backed_up: Protected, tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB of which the participant's database is."""
    server, folder = backed_up.server, backed_up.server.data_folder.with_name("small")
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=False).returncode != 0:
        folder.rmdir()
        pytest.skip("only root may mount a file system")
    try:
        space = folder / "space"
        space.mkdir(mode=0o700)
        shutil.chown(space, "postgres")
        server.run("postgres", sql.SQL("CREATE TABLESPACE small LOCATION {}"), str(space))
        server.run("postgres", sql.SQL("GRANT CREATE ON TABLESPACE small TO {}"), sql.Identifier(USER))
        server.run("postgres", sql.SQL("ALTER DATABASE participant SET TABLESPACE small"))
        yield folder
        server.drop_all()
        server.run("postgres", sql.SQL("DROP TABLESPACE small"))
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def _fill(folder: Path, leave: int = 0) -> None:
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    (folder / "filler").write_bytes(bytes(free - leave))


@pytest.mark.parametrize("phase", ["try the schemas", "load into"])
def test_full_disk_is_told_as_such_and_the_same_request_completes_when_there_is_room(
    backed_up: Protected, workload_log: WorkloadLog, small_space: Path, when: When, phase: str
) -> None:
    when(phase, lambda: _fill(small_space))

    with pytest.raises(CatalyxDrError, match="No space left on device") as told:
        _restore(backed_up)

    assert "GRANT" not in str(told.value)
    assert _untouched(backed_up, workload_log)
    (small_space / "filler").unlink()
    assert _restore(backed_up).status is RecordStatus.COMPLETED
    assert backed_up.server.value("participant", _COUNT) == 3000


def test_fault_of_no_right_brings_no_advice_on_rights(
    backed_up: Protected, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise CatalyxDrError("could not extend file: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PostgresClient, "load", full)
        with pytest.raises(CatalyxDrError, match=r"^could not extend file: No space left on device$"):
            _restore(backed_up)

    assert _untouched(backed_up, workload_log)


def test_limit_of_connections_is_told_and_undone(backed_up: Protected, workload_log: WorkloadLog, when: When) -> None:
    server = backed_up.server
    limit = sql.SQL("ALTER ROLE {} CONNECTION LIMIT 1")
    when("load into", lambda: server.run("postgres", limit, sql.Identifier(USER)))
    try:
        with pytest.raises(CatalyxDrError, match="too many connections for role"):
            _restore(backed_up)
    finally:
        server.run("postgres", sql.SQL("ALTER ROLE {} CONNECTION LIMIT -1"), sql.Identifier(USER))

    assert _untouched(backed_up, workload_log)
    assert _restore(backed_up).status is RecordStatus.COMPLETED


def test_standby_is_refused_before_anything_is_touched(backed_up: Protected, workload_log: WorkloadLog) -> None:
    server = backed_up.server
    signal = server.data_folder / "standby.signal"
    signal.touch()
    try:
        server.crash(0)
        server.wait()
        with pytest.raises(RefusedError, match="is a standby, on which nothing can be written; name the primary"):
            _restore(backed_up)
    finally:
        signal.unlink()
        server.crash(0)
        server.wait()

    assert _untouched(backed_up, workload_log)


@pytest.mark.parametrize("in_place", [True, False])
def test_remains_of_a_removal_that_was_cut_off_are_none_of_a_database(
    backed_up: Protected, workload_log: WorkloadLog, in_place: bool
) -> None:
    """So a server leaves what it was dropping when it crashed."""
    backed_up.server.run("postgres", sql.SQL("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'participant'"))

    assert _restore(backed_up, in_place=in_place).status is RecordStatus.COMPLETED

    assert backed_up.server.value("participant", _COUNT) == 3000
