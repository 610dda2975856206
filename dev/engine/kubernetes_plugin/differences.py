"""What changed between two objects, property by property."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from dev.engine.kubernetes_plugin.property_paths import PropertyPath


class _Absent:
    """The value of a property that is not there."""


ABSENT: Final = _Absent()


@dataclass(frozen=True)
class Difference:
    """One changed property, with both values (ABSENT where there is none)."""

    path: PropertyPath
    old: Any
    new: Any

    @property
    def kind(self) -> Literal["add", "delete", "update"]:
        """How it changed."""
        if self.old is ABSENT:
            return "add"
        return "delete" if self.new is ABSENT else "update"


def differences(old: Any, new: Any, path: PropertyPath = ()) -> Iterator[Difference]:
    """Yield the innermost properties in which two plain objects differ; null and absent are the same."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            yield from differences(_present(old.get(key)), _present(new.get(key)), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from differences(_item(old, index), _item(new, index), (*path, index))
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield Difference(path, old, new)


def _present(value: Any) -> Any:
    return ABSENT if value is None else value


def _item(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else ABSENT
