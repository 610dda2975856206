"""Workloads in a file, so that they outlive a run that is killed; as a program, a run to be killed."""

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from catalyx_dr.adapters import access, workloads
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.target import Workload
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations import loading
from catalyx_dr.operations import restore as restore_module
from catalyx_dr.operations import rollback as rollback_module
from catalyx_dr.operations.patience import Patience
from catalyx_dr.operations.progress import Progress
from catalyx_dr.operations.restore import RestoreOrder, restore
from catalyx_dr.operations.rollback import roll_back
from catalyx_dr.operations.surroundings import Surroundings
from tests.operations.records_in_files import FileRecords

PATIENCE = Patience(*[timedelta(seconds=5)] * 4)


class FileWorkloads:
    """Which workloads run, in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def running(self) -> dict[str, bool]:
        if not self._file.exists():
            return {"validator-app": True, "participant": True}
        read: dict[str, bool] = json.loads(self._file.read_text())
        return read

    def exists(self, _cluster: object, workload: Workload) -> bool:
        return workload.name in self.running

    def stop(self, _cluster: object, workload: Workload) -> None:
        self._set(workload, False)

    def start(self, _cluster: object, workload: Workload) -> None:
        self._set(workload, True)

    def wait(self, _cluster: object, _workloads: object, _patience: timedelta) -> None:
        pass

    def _set(self, workload: Workload, runs: bool) -> None:
        self._file.write_text(json.dumps({**self.running, workload.name: runs}))


def surroundings_in(folder: Path) -> Surroundings:
    """Everything that a run in `folder` works with."""
    return Surroundings(
        FileRecords(folder / "records"), SecretFiles(folder / "secrets"), folder / "volume", folder / "scratch"
    )


def playing(files: FileWorkloads) -> list[object]:
    """Patches that put the workloads of the files in place of the cluster's."""
    played = {
        "exists": files.exists,
        "stop": files.stop,
        "start": files.start,
        "wait_until_gone": files.wait,
        "wait_until_ready": files.wait,
    }
    made: list[object] = [patch.object(workloads, name, stand_in) for name, stand_in in played.items()]
    return [*made, patch.object(access, "denied", lambda _cluster, _rights: ())]


def _die() -> None:
    os.killpg(0, signal.SIGKILL)


def _then_die(step: Callable[..., None]) -> Callable[..., None]:
    def fatal(*given: object, **named: object) -> None:
        step(*given, **named)
        _die()

    return fatal


def _die_in_phase(wanted: str) -> None:
    real = Progress.phase

    def phase(self: Progress, name: str, percent: int) -> None:
        real(self, name, percent)
        if name.startswith(wanted):
            _die()

    setattr(Progress, "phase", phase)  # noqa: B010 - mypy lets no method be replaced otherwise


_STEPS: dict[str, tuple[tuple[object, str], ...]] = {
    "after the swap": ((restore_module, "swap_in"), (rollback_module, "exchange")),
    "after loading, before proving": ((loading, "analyze"),),
    "when one workload is stopped": ((FileWorkloads, "stop"),),
}


def _die_at(moment: str) -> None:
    """Prepare to be killed in a phase, or right after a step inside one."""
    for place, name in _STEPS.get(moment, ()):
        setattr(place, name, _then_die(getattr(place, name)))
    if moment not in _STEPS:
        _die_in_phase(moment)


def main() -> None:
    """Restore the newest set as request r1, take that back, or undo that, and die."""
    spec, folder, moment, how = ValidatorSpec.model_validate_json(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
    _die_at(moment)
    for one in playing(FileWorkloads(folder / "workloads.json")):
        one.start()  # type: ignore[attr-defined]
    surroundings = surroundings_in(folder)
    if how in ("rollback", "undo"):
        roll_back(spec, "r1", surroundings, None, PATIENCE, undo=how == "undo")  # type: ignore[arg-type]
        return
    order = RestoreOrder("latest", "r1", in_place=how == "in place")
    restore(spec, order, surroundings, None, PATIENCE)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
