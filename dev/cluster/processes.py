"""The cluster's long-running processes: started once, known by process id and start time, ended by id."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dev.cache_folder import PROJECT_ROOT, content_key
from dev.cluster.layout import state, state_folder
from dev.steps import StepError

END_WITHIN_SECONDS = 10.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Running:
    """A started process: its id with its start time, which together are unique until the machine restarts."""

    pid: int
    started: str
    recipe: str

    def is_alive(self) -> bool:
        """Whether this very process still runs. A process that ended and was not yet collected does not."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return _start_time(self.pid) == self.started


def ensure_running(name: str, command: Sequence[str | Path], configuration: Iterable[Path] = ()) -> bool:
    """Start the process, or start it again when its command or a configuration file changed.

    Returns whether it was started. Its output goes to `log/NAME.log` in the cluster's state.
    """
    words = [str(word) for word in command]
    recipe = content_key(words, [(path.name, path) for path in configuration])
    running = find(name)
    if running and running.is_alive():
        if running.recipe == recipe:
            return False
        stop(name)
    log = state_folder("log") / f"{name}.log"
    pid = os.posix_spawn(
        words[0],
        words,
        {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inherited()),
        ],
        setsid=True,
    )
    record = Running(pid, _start_time(pid) or "", recipe)
    _record_of(name).write_text(json.dumps(asdict(record)))
    return True


def find(name: str) -> Running | None:
    """The process as it was last started, alive or not; None when it was stopped or never started."""
    try:
        return Running(**json.loads(_record_of(name).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def is_running(name: str) -> bool:
    """Whether the process is alive."""
    running = find(name)
    return running is not None and running.is_alive()


def require_running(name: str) -> None:
    """Raise StepError with the end of its log when the process has ended."""
    if not is_running(name):
        log = state("log", f"{name}.log")
        tail = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []
        lines = "".join(f"  | {line}\n" for line in tail)
        raise StepError(f"{name} ended.\n{lines}  log: {log}\n  Run `python -m dev.cluster down`, then `up` again.")


def stop(name: str) -> None:
    """End the process: first asked, then forced. Nothing happens when it does not run."""
    running = find(name)
    if running:
        end(running)
        _record_of(name).unlink(missing_ok=True)


def end(running: Running, signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGKILL)) -> None:
    """Ask the process to end, and force it after a while."""
    for sent in signals:
        if not running.is_alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, sent)
        deadline = time.monotonic() + END_WITHIN_SECONDS
        while running.is_alive() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def processes_with(words: Sequence[str]) -> list[Running]:
    """The processes of this machine whose command line holds these words side by side."""
    wanted = b"\0" + b"\0".join(word.encode() for word in words) + b"\0"
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if wanted in b"\0" + (entry / "cmdline").read_bytes():
                found.append(Running(int(entry.name), _start_time(int(entry.name)) or "", ""))
    return found


def _inherited() -> list[int]:
    """Files that whoever started this gave it, such as locks and pipes: a process that stays must not hold them."""
    open_files = [int(entry) for entry in os.listdir("/proc/self/fd")]
    return [descriptor for descriptor in open_files if descriptor > 2 and _is_inheritable(descriptor)]


def _is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # the listing's own
        return False


def _record_of(name: str) -> Path:
    return state_folder("run") / f"{name}.json"


def _start_time(pid: int) -> str | None:
    """Clock ticks since the machine started, after the process's state; None for none and for a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else f"{_boot_id()} {fields[19]}"


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
