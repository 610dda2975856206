"""Restores and rollbacks whose process is killed, at every step: they are completed by the next run, or undone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from catalyx_dr.model.record import RecordKind, RecordStatus
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.restore import RestoreOrder, restore
from catalyx_dr.operations.rollback import roll_back
from tests.fixtures_restore import change
from tests.fixtures_validator import Protected
from tests.operations.files_of_a_run import PATIENCE, FileWorkloads, playing, surroundings_in

_COUNT = "SELECT count(*) FROM participant.lapi_events"
_ROOT = Path(__file__).parents[2]
PHASES = (
    "started",
    "preflight",
    "fetch the set",
    "check the set",
    "load into",
    "after loading, before proving",
    "prove the loaded databases",
    "stop the workloads",
    "when one workload is stopped",
    "swap the databases",
    "after the swap",
    "start the workloads",
    "verify the validator",
)
UNDONE = ("load into", "when one workload is stopped", "swap the databases", "after the swap", PHASES[-1])
SWAPPED = PHASES[PHASES.index("after the swap") :]
OF_A_ROLLBACK = ("swap the databases", "after the swap", "verify the validator")


@pytest.fixture
def on_files(backed_up: Protected) -> Iterator[Protected]:
    """The validator with records and workloads in files."""
    folder = backed_up.surroundings.volume.parent
    kept = surroundings_in(folder)
    for record in backed_up.records:
        kept.records.save(record)
    with ExitStack() as patches:
        for one in playing(FileWorkloads(folder / "workloads.json")):
            patches.enter_context(one)  # type: ignore[arg-type]
        yield replace(backed_up, surroundings=kept)


def kill_restore(protected: Protected, moment: str, how: str = "beside") -> None:
    """Run it in a process group of its own until it kills itself with all that it has started.

    `how`: a restore beside the present databases or in place, a rollback, or one that undoes it.
    """
    folder = protected.surroundings.volume.parent
    command = ["-m", "tests.operations.files_of_a_run", protected.spec.model_dump_json(), str(folder), moment, how]
    run = subprocess.run(
        [sys.executable, *command],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stdout + run.stderr


def running(protected: Protected) -> dict[str, bool]:
    return FileWorkloads(protected.surroundings.volume.parent / "workloads.json").running


def left(protected: Protected, *beginnings: str) -> list[str]:
    return [name for name in protected.server.databases() if name.startswith(beginnings)]


@pytest.mark.parametrize("moment", PHASES)
def test_restore_that_was_killed_is_completed_by_the_next_run(on_files: Protected, moment: str) -> None:
    kill_restore(on_files, moment)
    (before,) = on_files.surroundings.records.list(kind=RecordKind.RESTORE)
    assert before.status is RecordStatus.RUNNING

    record = restore(on_files.spec, RestoreOrder("latest", "r1"), on_files.surroundings, None, PATIENCE)  # type: ignore[arg-type]

    assert record.status is RecordStatus.COMPLETED
    assert on_files.server.value("participant", _COUNT) == 3000
    assert running(on_files) == {"validator-app": True, "participant": True}
    assert left(on_files, "loading") == []
    assert on_files.server.value(left(on_files, "replaced_participant")[0], _COUNT) == 0


@pytest.mark.parametrize("moment", UNDONE)
def test_restore_that_was_killed_is_undone_by_a_rollback(on_files: Protected, moment: str) -> None:
    kill_restore(on_files, moment)

    record = roll_back(on_files.spec, "r1", on_files.surroundings, None, PATIENCE)  # type: ignore[arg-type]

    assert record.status is RecordStatus.COMPLETED
    assert on_files.server.value("participant", _COUNT) == 0
    assert running(on_files) == {"validator-app": True, "participant": True}
    assert left(on_files, "loading", "replaced") == []
    assert len(left(on_files, "rolledback")) == (2 if moment in SWAPPED else 0)
    (undone,) = on_files.surroundings.records.list(kind=RecordKind.RESTORE)
    assert (undone.status, undone.message) == (RecordStatus.FAILED, "undone by a rollback")


@pytest.mark.parametrize("moment", ["load into", "after loading, before proving", "swap the databases"])
def test_restore_in_place_that_was_killed_is_completed_by_the_next_run(on_files: Protected, moment: str) -> None:
    kill_restore(on_files, moment, "in place")

    order = RestoreOrder("latest", "r1", in_place=True)
    restore(on_files.spec, order, on_files.surroundings, None, PATIENCE)  # type: ignore[arg-type]

    assert on_files.server.value("participant", _COUNT) == 3000
    assert running(on_files) == {"validator-app": True, "participant": True}
    assert left(on_files, "loading", "replaced") == []


def test_another_request_takes_over_what_a_killed_one_left(on_files: Protected) -> None:
    kill_restore(on_files, "swap the databases")
    assert running(on_files) == {"validator-app": False, "participant": False}

    restore(on_files.spec, RestoreOrder("latest", "r2"), on_files.surroundings, None, PATIENCE)  # type: ignore[arg-type]

    assert running(on_files) == {"validator-app": True, "participant": True}
    assert left(on_files, "loading") == []


def test_set_that_was_taken_after_the_kill_does_not_change_what_latest_was(on_files: Protected) -> None:
    kill_restore(on_files, "swap the databases")
    on_files.clock.next_day()
    change(on_files.server)
    back_up(on_files.spec, replace(on_files.surroundings, now=on_files.clock))

    record = restore(on_files.spec, RestoreOrder("latest", "r1"), on_files.surroundings, None, PATIENCE)  # type: ignore[arg-type]

    assert record.details["set"] == on_files.set_ids[0]


@pytest.mark.parametrize("moment", OF_A_ROLLBACK)
@pytest.mark.parametrize("undo", [False, True], ids=["rollback", "undo"])
def test_rollback_that_was_killed_is_completed_by_the_next_run_in_either_direction(
    on_files: Protected, moment: str, undo: bool
) -> None:
    def run(undo: bool) -> None:
        roll_back(on_files.spec, "r1", on_files.surroundings, None, PATIENCE, undo=undo)  # type: ignore[arg-type]

    restore(on_files.spec, RestoreOrder("latest", "r1"), on_files.surroundings, None, PATIENCE)  # type: ignore[arg-type]
    if undo:
        run(undo=False)
    kill_restore(on_files, moment, "undo" if undo else "rollback")

    for undoing in (undo, not undo):
        run(undoing)
        assert on_files.server.value("participant", _COUNT) == (3000 if undoing else 0)
        assert running(on_files) == {"validator-app": True, "participant": True}
        assert len(left(on_files, "replaced" if undoing else "rolledback")) == 2
        assert left(on_files, "loading", "rolledback" if undoing else "replaced") == []


@pytest.mark.parametrize("moment", OF_A_ROLLBACK[:2])
def test_rollback_that_was_killed_can_be_turned_round_at_once(on_files: Protected, moment: str) -> None:
    restore(on_files.spec, RestoreOrder("latest", "r1"), on_files.surroundings, None, PATIENCE)  # type: ignore[arg-type]
    kill_restore(on_files, moment, "rollback")

    roll_back(on_files.spec, "r1", on_files.surroundings, None, PATIENCE, undo=True)  # type: ignore[arg-type]

    assert on_files.server.value("participant", _COUNT) == 3000
    assert running(on_files) == {"validator-app": True, "participant": True}
    assert len(left(on_files, "replaced")) == 2
