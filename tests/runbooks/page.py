"""A runbook page as a test reads it: its commands, in order, and what a person fills in first."""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "runbooks"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.S | re.M)
_EXPORT = re.compile(r"^export ([A-Z_]+)=", re.M)
_FILL_IN = "bash fill-in"


@dataclass(frozen=True)
class Page:
    """`filled_in`: names that a person gives values to; `commands`: the other blocks, in the order of the page."""

    name: str
    filled_in: tuple[str, ...]
    commands: tuple[str, ...]

    @classmethod
    def read(cls, name: str) -> "Page":
        """Read `docs/runbooks/<name>.md`."""
        text = (FOLDER / f"{name}.md").read_text()
        blocks = [(match["kind"], _unindented(match)) for match in _FENCE.finditer(text)]
        filled_in = [name for kind, block in blocks if kind == _FILL_IN for name in _EXPORT.findall(block)]
        return cls(name, tuple(filled_in), tuple(block for kind, block in blocks if kind == "bash"))

    def script(self) -> str:
        """One shell script of all commands, which ends at the first that fails and says which step that was."""
        steps = (f"echo '=== step {number} of {self.name}'\n{block}" for number, block in enumerate(self.commands, 1))
        return "set -euo pipefail\n" + "\n".join(steps)


def _unindented(match: re.Match[str]) -> str:
    indent = match["indent"]
    return "".join(line.removeprefix(indent) for line in match["text"].splitlines(keepends=True))
