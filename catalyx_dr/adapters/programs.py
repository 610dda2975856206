"""Child programs: run while a block runs, ended with it, their last words kept for the error."""

import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO, cast

from catalyx_dr.model.errors import CatalyxDrError

_KEPT_LINES = 100
_KEPT_ERROR_LINES = 4


class Program:
    """A running child. Its standard input and output are pipes where they were asked for."""

    def __init__(
        self,
        command: Sequence[str | Path],
        purpose: str,
        environment: Mapping[str, str],
        said: Callable[[str], None],
        *,
        feeds: bool,
        fed: bool,
    ) -> None:
        self._name = Path(command[0]).name
        self._purpose = purpose
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
            stdout=subprocess.PIPE if feeds else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=client_environment() | dict(environment),
        )
        self._listener = Thread(target=self._listen, args=(said,), daemon=True)
        self._listener.start()

    @property
    def output(self) -> IO[bytes]:
        """What it writes."""
        return cast(IO[bytes], self._process.stdout)

    @property
    def input(self) -> IO[bytes]:
        """What it reads."""
        return cast(IO[bytes], self._process.stdin)

    def has_ended(self) -> bool:
        """Tell whether it runs no more."""
        return self._process.poll() is not None

    def finish(self) -> None:
        """Wait for its end; raises CatalyxDrError with its last words when it failed."""
        code = self._process.wait()
        self._listener.join()
        if code != 0:
            raise CatalyxDrError(f"{self._purpose} failed: {self._name} says: {last_words(self._lines)}")

    def end(self) -> None:
        """Stop it, whatever it does, and wait for that."""
        if self._process.poll() is None:
            self._process.terminate()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()
        self._listener.join()

    def _listen(self, said: Callable[[str], None]) -> None:
        with cast(IO[bytes], self._process.stderr) as errors:
            for line in errors:
                text = line.decode(errors="replace").strip()
                if text:
                    self._lines.append(text)
                    said(text)


def _unheard(line: str) -> None:
    """Nobody listens."""


@contextmanager
def running(
    command: Sequence[str | Path],
    purpose: str,
    environment: Mapping[str, str] | None = None,
    said: Callable[[str], None] = _unheard,
    *,
    feeds: bool = False,
    fed: bool = False,
) -> Iterator[Program]:
    """Run a program while the block runs and wait for its end after it; it is ended when the block fails.

    `said` gets each line of its messages; `feeds`: its output is read, `fed`: its input is written by the block.
    Raises CatalyxDrError when it fails.
    """
    program = Program(command, purpose, environment or {}, said, feeds=feeds, fed=fed)
    try:
        yield program
        program.finish()
    finally:
        program.end()


def client_environment() -> dict[str, str]:
    """What a child needs: nothing that redirects libpq, messages in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def last_words(lines: Iterable[str]) -> str:
    """The telling end of what a program said, without statements or rows."""
    said = [stripped for line in lines if (stripped := line.strip())]
    # `detail:` and `command was:` lines may quote statements or rows.
    signs = (": error:", ": from toc entry ", ": fatal:")
    telling = [line for line in said if any(sign in line.lower() for sign in signs)]
    return " / ".join((telling or said)[-_KEPT_ERROR_LINES:]) or "nothing"
