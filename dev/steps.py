"""Steps of a long preparation: a progress line on the terminal and a log file for each."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dev.cache_folder import cache_folder

PROGRESS_EVERY_SECONDS = 30.0
LINES_SHOWN_ON_FAILURE = 15


class StepError(RuntimeError):
    """A step ended badly. The message holds the log's name, its last lines and what to do."""


class Step:
    """One running step: what it runs goes to its log."""

    def __init__(self, title: str, log: Path, advice: str) -> None:
        self.title = title
        self.log = log
        self.advice = advice

    def run(
        self,
        command: Sequence[str | Path],
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> None:
        """Run a command with its output in the log, and report now and then that it is still running.

        Raises StepError when the command is missing or ends with another code than 0.
        """
        words = [str(word) for word in command]
        with self.log.open("ab") as out:
            out.write(f"$ {' '.join(words)}\n".encode())
            out.flush()
            try:
                process = subprocess.Popen(
                    words,
                    cwd=cwd,
                    env=dict(environment) if environment is not None else None,
                    stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                )
            except FileNotFoundError as missing:
                raise StepError(f"{self.title}: program {words[0]} is missing. {self.advice}") from missing
            code = self._wait(process, stdin)
        if code != 0:
            self.fail(f"{Path(words[0]).name} ended with code {code}")

    def fail(self, reason: str) -> None:
        """End the step: raises StepError with the reason, the last lines of the log and the advice."""
        raise StepError(f"{self.title}: {reason}.\n{self._tail()}  log: {self.log}\n  {self.advice}")

    def note(self, text: str) -> None:
        """Add a line to the log."""
        with self.log.open("a") as out:
            out.write(text.rstrip("\n") + "\n")

    def _wait(self, process: subprocess.Popen[bytes], stdin: str | None) -> int:
        begun = time.monotonic()
        waiting_input = stdin.encode() if stdin is not None else None
        try:
            while True:
                try:
                    process.communicate(waiting_input, timeout=PROGRESS_EVERY_SECONDS)
                    return process.returncode
                except subprocess.TimeoutExpired:
                    waiting_input = None
                    seconds = time.monotonic() - begun
                    print(f"    {self.title}: {seconds:.0f} s so far, {self._last_line()}", flush=True)
        except BaseException:
            process.kill()
            process.wait()
            raise

    def _tail(self) -> str:
        if not self.log.exists():
            return ""
        lines = self.log.read_text(errors="replace").splitlines()[-LINES_SHOWN_ON_FAILURE:]
        return "".join(f"  | {line}\n" for line in lines)

    def _last_line(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return lines[-1][:100] if lines else "no output yet"


@contextmanager
def step(title: str, log_name: str, advice: str) -> Iterator[Step]:
    """Announce a step, let it run, and say how long it took. Its log starts afresh."""
    log = cache_folder("logs") / f"{log_name}.log"
    log.write_text("")
    print(f"  {title} ...", flush=True)
    begun = time.monotonic()
    yield Step(title, log, advice)
    print(f"  {title}: done in {time.monotonic() - begun:.1f} s", flush=True)
