"""Property paths as Pulumi writes them: `spec.template.spec.containers[0].image`, `data["a.key"]`."""

import re

PropertyPath = tuple[str | int, ...]

_QUOTED_WHEN = re.compile(r'[."\[\]]')
_STEP = re.compile(r'\.?([^.\[\]"]+)|\[(\d+|\*)\]|\["((?:[^"\\]|\\.)*)"\]')


def format_path(path: PropertyPath) -> str:
    """Write a path in Pulumi's notation."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _QUOTED_WHEN.search(step):
            escaped = step.replace('"', r"\"")
            text += f'["{escaped}"]'
        else:
            text += f".{step}" if text else step
    return text


def parse_path(text: str) -> PropertyPath:
    """Read a path in Pulumi's notation; `[*]` becomes the step "*". Raises ValueError when it is malformed."""
    path: list[str | int] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise ValueError(f"property path {text!r} is malformed at character {position}")
        name, index, quoted = step.groups()
        if name is not None:
            path.append(name)
        elif quoted is not None:
            path.append(quoted.replace(r"\"", '"'))
        else:
            path.append(index if index == "*" else int(index))
        position = step.end()
    return tuple(path)


def is_within(path: PropertyPath, ancestor: PropertyPath) -> bool:
    """Tell whether `path` is `ancestor` or lies below it."""
    return len(path) >= len(ancestor) and all(
        theirs in ("*", ours) for ours, theirs in zip(path, ancestor, strict=False)
    )
