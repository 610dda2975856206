"""An update that runs in the background: killed with all that it has started, or waited for."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_MARK = "CATALYX_DR_TEST_UPDATE"
_PATIENCE_SECONDS = 240.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class RunningUpdate:
    """The command's process; every process that it starts carries `mark` in its environment."""

    process: subprocess.Popen[bytes]
    mark: bytes
    output: Path

    @property
    def told(self) -> str:
        """What it has said so far."""
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Return when it has said `text`; fails the test when it ends or takes too long before."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while text not in self.told:
            assert self.process.poll() is None, f"it ended without saying {text!r}:\n{self.told}"
            assert time.monotonic() < deadline, f"it does not say {text!r}:\n{self.told}"
            time.sleep(_POLL_SECONDS)

    def kill(self) -> None:
        """End engine, language host, program and plugins at the same moment, and without a chance to tidy up."""
        for _ in range(3):  # one that was being started is found the next time
            for pid in self._processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> int:
        """Wait for its end; returns its exit code."""
        code = self.process.wait(_PATIENCE_SECONDS)
        print(self.told)
        return code

    def _processes(self) -> list[int]:
        found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
        return [pid for pid in found if self.mark in _environment_of(pid)]


@contextmanager
def running_update(folder: Path, environment: Mapping[str, str]) -> Iterator[RunningUpdate]:
    """`pulumi up` in the background; nothing of it is left afterwards."""
    mark = uuid4().hex
    output = folder / f"update-{mark}.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            ["pulumi", "--non-interactive", "--color=never", "up", "--yes", "--skip-preview"],
            cwd=folder,
            env={**environment, _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    update = RunningUpdate(process, f"{_MARK}={mark}".encode(), output)
    try:
        yield update
    finally:
        update.kill()


def _environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended meanwhile
        return []
