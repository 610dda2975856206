"""Any value in any place of a stack file is accepted, or refused with its path in our own words; nothing breaks."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from catalyx_dr.model.errors import SpecError
from catalyx_dr.rules.environments import load_environment
from catalyx_dr.rules.spec_faults import dotted
from tests.rules.stack_corpus import good

VALUES: list[Any] = [None, True, 0, -1, 10**30, 1.5, float("nan"), "", "x" * 300, "7", "a\nb", ["x"], {}, {1: 2}]
STACK = good("production")
Place = tuple[int | str, ...]
# Pydantic's words; ours never begin so.
FOREIGN = ("Input should", "Value error", "validation error", "Extra inputs", "Field required", "String should")


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in keys:
        yield (*place, key)
        yield from places(inner, (*place, key))


def with_value(place: Place, value: Any) -> dict[str, Any]:
    stack = deepcopy(STACK)
    holder: Any = stack
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return stack


@pytest.mark.parametrize("place", [one for one in places(STACK) if one[:2] != ("validators", 1)], ids=dotted)
def test_any_value_is_read_or_refused_by_its_path(place: Place) -> None:
    for value in VALUES:
        try:
            load_environment(with_value(place, value))
        except SpecError as error:
            for line in str(error).splitlines():
                path = line.partition(": ")[0]
                assert path.startswith(dotted(place)) or dotted(place).startswith(path), line
                assert not any(foreign in line for foreign in FOREIGN), line
