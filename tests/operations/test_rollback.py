"""Rollbacks: what a restore replaced returns, is proven, and both sides are dropped only when their time is over."""

from datetime import timedelta

import pytest
from psycopg import sql

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.model.record import RecordKind, RecordStatus
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.patience import Patience
from catalyx_dr.operations.restore import RestoreOrder, restore
from catalyx_dr.operations.rollback import roll_back
from catalyx_dr.rules.database_names import is_aside
from tests.fixtures_restore import PlayedApi
from tests.fixtures_validator import Protected, WorkloadLog

_PATIENCE = Patience(*[timedelta(seconds=3)] * 4)
_CLUSTER: Cluster = None  # type: ignore[assignment]  # workloads are stand-ins
_COUNT = "SELECT count(*) FROM participant.lapi_events"


@pytest.fixture
def restored(backed_up: Protected, workload_log: WorkloadLog) -> Protected:
    """Restored by request r1."""
    restore(backed_up.spec, RestoreOrder("latest", "r1"), backed_up.surroundings, _CLUSTER, _PATIENCE)
    workload_log.done.clear()
    return backed_up


def aside(protected: Protected) -> list[str]:
    return [name for name in protected.server.databases() if is_aside(name)]


def test_rollback_puts_back_what_was_replaced(restored: Protected, workload_log: WorkloadLog) -> None:
    record = roll_back(restored.spec, "r1", restored.surroundings, _CLUSTER, _PATIENCE)

    assert record.status is RecordStatus.COMPLETED
    assert restored.server.value("participant", _COUNT) == 0
    assert workload_log.done[:2] == ["stop validator-app", "stop participant"]
    assert all(workload_log.running.values())
    (participant,) = [name for name in aside(restored) if "participant" in name]
    assert participant.startswith("rolledback_")
    assert restored.server.value(participant, _COUNT) == 3000
    told = restored.surroundings.records.find(RecordKind.RESTORE, "validator-1", "r1")
    assert told is not None
    assert "rolledBack" in told.details


def test_rollback_runs_once_and_its_restore_does_not_run_again(restored: Protected, workload_log: WorkloadLog) -> None:
    first = roll_back(restored.spec, "r1", restored.surroundings, _CLUSTER, _PATIENCE)
    workload_log.done.clear()

    assert roll_back(restored.spec, "r1", restored.surroundings, _CLUSTER, _PATIENCE) == first
    restore(restored.spec, RestoreOrder("latest", "r1"), restored.surroundings, _CLUSTER, _PATIENCE)

    assert workload_log.done == []
    assert restored.server.value("participant", _COUNT) == 0


def test_unknown_request_is_refused_with_what_there_is(restored: Protected) -> None:
    with pytest.raises(RefusedError, match="has no restore 'r7'; there are: r1"):
        roll_back(restored.spec, "r7", restored.surroundings, _CLUSTER, _PATIENCE)


def test_nothing_to_go_back_to_is_refused_before_anything_is_stopped(
    backed_up: Protected, workload_log: WorkloadLog
) -> None:
    order = RestoreOrder("latest", "r1", in_place=True)
    restore(backed_up.spec, order, backed_up.surroundings, _CLUSTER, _PATIENCE)
    workload_log.done.clear()

    with pytest.raises(RefusedError, match=r"is not there any more .*the restore was in place"):
        roll_back(backed_up.spec, "r1", backed_up.surroundings, _CLUSTER, _PATIENCE)

    assert workload_log.done == []
    assert backed_up.server.value("participant", _COUNT) == 3000


def test_restore_that_a_later_one_replaced_is_not_rolled_back(restored: Protected, workload_log: WorkloadLog) -> None:
    restore(restored.spec, RestoreOrder("latest", "r2"), restored.surroundings, _CLUSTER, _PATIENCE)
    workload_log.done.clear()

    with pytest.raises(RefusedError, match="a later recovery took its place"):
        roll_back(restored.spec, "r1", restored.surroundings, _CLUSTER, _PATIENCE)

    assert workload_log.done == []
    told = restored.surroundings.records.find(RecordKind.RESTORE, "validator-1", "r1")
    assert told is not None
    assert told.status is RecordStatus.COMPLETED


def test_rollback_that_is_not_proven_is_not_completed(restored: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlayedApi, "party", "somebody-validator-1::1220" + "cd" * 32)

    with pytest.raises(UnprovenError, match="its party hint should be"):
        roll_back(restored.spec, "r1", restored.surroundings, _CLUSTER, _PATIENCE)

    (record,) = restored.surroundings.records.list(kind=RecordKind.ROLLBACK)
    assert record.status is RecordStatus.FAILED


def test_backup_drops_what_was_set_aside_when_its_time_is_over(restored: Protected) -> None:
    restored.server.run("postgres", sql.SQL("CREATE DATABASE replaced_participant_of_somebody"))
    for _ in range(6):
        restored.clock.next_day()
    back_up(restored.spec, restored.surroundings)
    assert len(aside(restored)) == 3

    restored.clock.next_day()
    back_up(restored.spec, restored.surroundings)

    assert aside(restored) == ["replaced_participant_of_somebody"]
    assert restored.server.value("participant", _COUNT) == 3000
    with pytest.raises(RefusedError, match="was dropped when its time"):
        roll_back(restored.spec, "r1", restored.surroundings, _CLUSTER, _PATIENCE)


def test_backup_keeps_what_an_unproven_restore_set_aside(
    backed_up: Protected, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PlayedApi, "party", "somebody-validator-1::1220" + "cd" * 32)
        with pytest.raises(UnprovenError):
            restore(backed_up.spec, RestoreOrder("latest", "r1"), backed_up.surroundings, _CLUSTER, _PATIENCE)
    for _ in range(20):
        backed_up.clock.next_day()

    back_up(backed_up.spec, backed_up.surroundings)

    assert len(aside(backed_up)) == 2


def test_validators_on_one_server_keep_what_the_others_set_aside(restored: Protected) -> None:
    for _ in range(20):
        restored.clock.next_day()
    other = restored.spec.model_copy(update={"name": "validator-2", "namespace": "validator-2"})

    back_up(other, restored.surroundings)

    assert len(aside(restored)) == 2


@pytest.fixture
def rolled_back(restored: Protected, workload_log: WorkloadLog) -> Protected:
    """Rolled back again."""
    roll_back(restored.spec, "r1", restored.surroundings, _CLUSTER, _PATIENCE)
    workload_log.done.clear()
    return restored


def test_rollback_can_be_undone_and_done_again_as_often_as_wanted(
    rolled_back: Protected, workload_log: WorkloadLog
) -> None:
    for undo, count, prefix in ((True, 3000, "replaced_"), (False, 0, "rolledback_"), (True, 3000, "replaced_")):
        record = roll_back(rolled_back.spec, "r1", rolled_back.surroundings, _CLUSTER, _PATIENCE, undo=undo)

        assert record.status is RecordStatus.COMPLETED
        assert rolled_back.server.value("participant", _COUNT) == count
        assert all(name.startswith(prefix) for name in aside(rolled_back))
        assert len(aside(rolled_back)) == 2
        assert all(workload_log.running.values())
        told = rolled_back.surroundings.records.find(RecordKind.RESTORE, "validator-1", "r1")
        assert told is not None
        assert told.status is RecordStatus.COMPLETED
        assert ("rolledBack" in told.details) is not undo

    workload_log.done.clear()
    roll_back(rolled_back.spec, "r1", rolled_back.surroundings, _CLUSTER, _PATIENCE, undo=True)
    assert workload_log.done == [], "it is done already"


def test_after_an_undone_rollback_everything_is_kept_as_after_the_restore(rolled_back: Protected) -> None:
    roll_back(rolled_back.spec, "r1", rolled_back.surroundings, _CLUSTER, _PATIENCE, undo=True)
    for _ in range(8):
        rolled_back.clock.next_day()

    back_up(rolled_back.spec, rolled_back.surroundings)

    assert aside(rolled_back) == []
    assert rolled_back.server.value("participant", _COUNT) == 3000


def test_restore_that_was_never_rolled_back_has_nothing_to_undo(restored: Protected, workload_log: WorkloadLog) -> None:
    with pytest.raises(RefusedError, match="restore 'r1' was never rolled back"):
        roll_back(restored.spec, "r1", restored.surroundings, _CLUSTER, _PATIENCE, undo=True)
    assert workload_log.done == []


def test_rollback_is_not_undone_over_a_later_recovery(rolled_back: Protected, workload_log: WorkloadLog) -> None:
    restore(rolled_back.spec, RestoreOrder("latest", "r2"), rolled_back.surroundings, _CLUSTER, _PATIENCE)
    workload_log.done.clear()

    with pytest.raises(RefusedError, match=r"a later recovery took its place; restore set \S+ under a new request"):
        roll_back(rolled_back.spec, "r1", rolled_back.surroundings, _CLUSTER, _PATIENCE, undo=True)

    assert workload_log.done == []
    (record,) = rolled_back.surroundings.records.list(kind=RecordKind.ROLLBACK)
    assert record.status is RecordStatus.COMPLETED, "what is refused changes no record"


def test_rollback_is_not_undone_when_what_was_restored_is_dropped(rolled_back: Protected) -> None:
    for _ in range(8):
        rolled_back.clock.next_day()
    back_up(rolled_back.spec, rolled_back.surroundings)
    assert aside(rolled_back) == []

    with pytest.raises(RefusedError, match="it was dropped when its time"):
        roll_back(rolled_back.spec, "r1", rolled_back.surroundings, _CLUSTER, _PATIENCE, undo=True)
    assert rolled_back.server.value("participant", _COUNT) == 0
