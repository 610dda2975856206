"""Stack files to judge: complete good ones, and bad ones that say how they differ from a good one.

A bad file has `base` (a good file), `set` (path -> value) and `remove` (paths), then what must be said of it: `faults`
(lines of the SpecError) or `findings` (severity, id, path, reason).
"""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "stacks"
GOOD = sorted(path.stem for path in (FOLDER / "good").glob("*.yaml"))
BAD = sorted((FOLDER / "bad").glob("*.yaml"))


def good(name: str) -> dict[str, Any]:
    """Configuration of a good stack, as the program gets it."""
    config = yaml.safe_load((FOLDER / "good" / f"{name}.yaml").read_text())["config"]
    return {key.removeprefix("catalyx-dr:"): value for key, value in config.items() if key.startswith("catalyx-dr:")}


def bad(case: dict[str, Any]) -> dict[str, Any]:
    """Configuration of a bad stack."""
    raw = good(case["base"])
    for path, value in case.get("set", {}).items():
        holder, key = _place(raw, path)
        holder[key] = deepcopy(value)
    for path in case.get("remove", ()):
        holder, key = _place(raw, path)
        del holder[key]
    return raw


def _place(raw: dict[str, Any], path: str) -> tuple[Any, Any]:
    parts: list[Any] = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
    holder: Any = raw
    for part in parts[:-1]:
        holder = holder[part] if isinstance(part, int) else holder.setdefault(part, {})
    return holder, parts[-1]
