"""The processes a language host has started and must not leave behind."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path


class ChildProcesses:
    """Starts processes in groups of their own, so that the terminal's Ctrl-C goes to the engine alone."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def start(
        self, command: list[str], *, env: Mapping[str, str], cwd: str | Path, pipe_output: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start `command`; its output is this process's own unless `pipe_output`."""
        output = subprocess.PIPE if pipe_output else None
        child = subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        with self._lock:
            self._running.add(child)
        return child

    def end(self, child: subprocess.Popen[bytes]) -> None:
        """End `child` and every process it started, if it still runs."""
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        self.forget(child)

    def forget(self, child: subprocess.Popen[bytes]) -> None:
        """Stop caring for a process that has ended."""
        with self._lock:
            self._running.discard(child)

    def end_all(self) -> None:
        """End every process that still runs."""
        with self._lock:
            children = list(self._running)
        for child in children:
            self.end(child)
