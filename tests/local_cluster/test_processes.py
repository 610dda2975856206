"""Processes of the local cluster are found again, replaced and ended by id."""

import os
import subprocess
from pathlib import Path

import pytest

from dev.cluster import processes
from dev.steps import StepError

SLEEP = "/usr/bin/sleep"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALYX_DR_CACHE", str(tmp_path))


def test_same_command_is_started_once_and_another_replaces_it() -> None:
    assert processes.ensure_running("sleeper", [SLEEP, "300"])
    first = processes.find("sleeper")
    assert first is not None
    assert not processes.ensure_running("sleeper", [SLEEP, "300"])
    assert processes.find("sleeper") == first

    assert processes.ensure_running("sleeper", [SLEEP, "301"])
    assert not first.is_alive()
    processes.stop("sleeper")
    assert not processes.is_running("sleeper")


def test_changed_configuration_starts_it_again(tmp_path: Path) -> None:
    configuration = tmp_path / "settings"
    configuration.write_text("one")
    processes.ensure_running("sleeper", [SLEEP, "300"], [configuration])
    configuration.write_text("two")
    assert processes.ensure_running("sleeper", [SLEEP, "300"], [configuration])
    processes.stop("sleeper")


def test_another_process_under_a_reused_id_is_left_alone() -> None:
    processes.ensure_running("sleeper", [SLEEP, "300"])
    ours = processes.find("sleeper")
    assert ours is not None
    with subprocess.Popen([SLEEP, "300"]) as other:
        processes.end(processes.Running(other.pid, "an earlier start", ""))
        assert other.poll() is None
        other.kill()
    processes.stop("sleeper")
    assert ours.pid != os.getpid()


def test_one_that_ended_is_reported_with_the_end_of_its_log() -> None:
    processes.ensure_running("talker", ["/bin/sh", "-c", "echo cannot bind; exit 1"])
    running = processes.find("talker")
    assert running is not None
    while running.is_alive():
        pass
    with pytest.raises(StepError, match=r"talker ended\.\n  \| cannot bind"):
        processes.require_running("talker")


def test_it_holds_nothing_of_whoever_started_it(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    processes.ensure_running("sleeper", [SLEEP, "300"])
    os.close(writer)
    assert os.read(reader, 1) == b""  # would wait for as long as the sleeper holds the other end
    os.close(reader)
    processes.stop("sleeper")
