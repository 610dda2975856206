"""Lengths of time as people write them in a stack file: `4h`, `90m`, `30d`, `1d12h`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
PATTERN = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
_GRAMMAR = re.compile(PATTERN)
# Longer than S3 locks anything, and short enough to be added to any moment.
_LONGEST = timedelta(days=36_500)
_LONGEST_SHOWN = 20


def parse_duration(text: str) -> timedelta:
    """Read `text`; raises ValueError for another form or for no length at all."""
    match = _GRAMMAR.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{text!r} is no length of time; write for example 4h, 90m, 30d or 1d12h")
    try:
        length = timedelta(**{_UNITS[part[-1]]: int(part[:-1]) for part in match.groups() if part})
    except (OverflowError, ValueError):
        length = timedelta.max
    if length > _LONGEST:
        shown = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
        raise ValueError(f"{shown!r} is longer than 100 years; write {_LONGEST.days}d or less, for example 30d")
    return length


def format_duration(length: timedelta) -> str:
    """Write `length` in the largest units that hold it exactly, seconds at the least: `1d12h`, `0s`."""
    rest = int(length.total_seconds())
    parts = []
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_age(length: timedelta) -> str:
    """Write `length` in its two largest units, as an age is read: `3d4h`, `12m`; seconds only below a minute."""
    seconds = max(int(length.total_seconds()), 0)
    for size, smaller in ((86_400, 3_600), (3_600, 60), (60, 60)):
        if seconds >= size:
            return format_duration(timedelta(seconds=seconds - seconds % smaller))
    return f"{seconds}s"


def _read(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError(f"{value!r} is no length of time; write for example 4h, 90m, 30d or 1d12h")


def _positive(length: timedelta) -> timedelta:
    if length <= timedelta():
        raise ValueError(f"{format_duration(length)!r} is no time at all; write for example 4h")
    return length


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["4h"]}),
]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
