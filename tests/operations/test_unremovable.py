"""What cannot be removed from the volume is told, and keeps neither backups from being taken nor others from going."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from catalyx_dr.model.retention import Retention
from catalyx_dr.operations.backup import back_up
from tests.fixtures_validator import Protected


@pytest.fixture
def busy() -> Iterator[Callable[[Path], None]]:
    """Makes a folder that not even root can remove: something is mounted there."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a file system")
    with ExitStack() as mounted:

        def mount(folder: Path) -> None:
            folder.mkdir(exist_ok=True, parents=True)
            if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=False).returncode != 0:
                pytest.skip("this machine allows no mounts")
            mounted.callback(lambda: subprocess.run(["umount", folder], check=True))

        yield mount


@pytest.fixture
def keeping_one(protected: Protected) -> Protected:
    assert protected.spec.backup is not None
    volume = protected.spec.backup.volume
    assert volume is not None
    return protected.declared(volume=volume.model_copy(update={"retention": Retention(keep=1)}))


def test_what_a_killed_run_left_fails_no_backup(keeping_one: Protected, busy: Callable[[Path], None]) -> None:
    left = keeping_one.surroundings.volume / "in-flight" / "20200101t000000z"
    busy(left)

    record = back_up(keeping_one.spec, keeping_one.surroundings)

    assert f"attention: {left} takes room and cannot be removed (Device or resource busy)" in record.message


def test_set_that_stays_keeps_no_other(keeping_one: Protected, busy: Callable[[Path], None]) -> None:
    stuck = back_up(keeping_one.spec, keeping_one.surroundings).identifier
    busy(keeping_one.sets_folder / stuck)

    for _ in range(2):
        keeping_one.clock.next_day()
        record = back_up(keeping_one.spec, keeping_one.surroundings)

    assert keeping_one.set_ids == [stuck, record.identifier]
    assert f"attention: {stuck} on the volume cannot be removed" in record.message
