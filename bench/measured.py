"""Whole processes, measured: wall time, and the peak memory of the process with all its children."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

_SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Measurement:
    """One run. `peak_bytes`: proportional set size of the whole tree at its largest (shared pages count once)."""

    seconds: float
    peak_bytes: int


def measured(command: Sequence[str | Path], **options: object) -> Measurement:
    """Run a command to its end; raises RuntimeError with its output when it fails."""
    begun = time.monotonic()
    process = subprocess.Popen(  # type: ignore[call-overload]
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    ended, peak = Event(), [0]
    sampler = Thread(target=_sample, args=(process.pid, ended, peak))
    sampler.start()
    output, _ = process.communicate()
    seconds = time.monotonic() - begun
    ended.set()
    sampler.join()
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{output.decode(errors='replace')[-4000:]}")
    return Measurement(seconds, peak[0])


def _sample(pid: int, ended: Event, peak: list[int]) -> None:
    while not ended.wait(_SAMPLE_SECONDS):
        peak[0] = max(peak[0], sum(_pss(one) for one in _tree(pid)))


def _tree(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
