"""The grammar of CronJob schedules: exactly what the Kubernetes API server accepts, read into plain sets.

Kubernetes validates with robfig/cron v3 `ParseStandard`; its oddities (`5/15` runs to the end of the range, weekday 7
is refused, `*/2` as a day of the month joins the weekday by OR, empty list items vanish) are kept on purpose.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Unicode white space as the Go standard library splits it; Python's own adds four control characters.
_BLANKS = re.compile("[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_INTEGER = re.compile(r"\+?[0-9]+")
_LARGEST_INTEGER = 2**63 - 1
_DURATION = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+")
_DURATION_PART = re.compile(r"([0-9]*\.?[0-9]*)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": "1e-9", "us": "1e-6", "µs": "1e-6", "μs": "1e-6", "ms": "1e-3", "s": "1", "m": "60", "h": "3600"}
_ONE_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Field:
    """One of the five fields: the values it allows, and whether a star or question mark stands in it."""

    title: str
    values: frozenset[int]
    star: bool
    step: int
    lowest: int
    highest: int

    @property
    def uneven(self) -> bool:
        """Tell whether its step leaves a shorter rest at the end of the range (`*/5` hours: 20, then 0)."""
        if self.step <= 1 or self.title == "day of the month":
            return self.step > 1
        return (self.highest - self.lowest + 1) % self.step != 0

    def canonical(self) -> str:
        """Write it as `*` or a list of numbers, which every cron library reads alike."""
        return "*" if self.star else ",".join(map(str, sorted(self.values)))


@dataclass(frozen=True)
class DayFields:
    """Days of the month, months and days of the week."""

    days: Field
    months: Field
    weekdays: Field

    def has_day(self, day: date) -> bool:
        """Tell whether it runs on `day`: both day fields where one has a star, else either."""
        if day.month not in self.months.values:
            return False
        of_month, of_week = day.day in self.days.values, day.isoweekday() % 7 in self.weekdays.values
        if self.days.star or self.weekdays.star:
            return of_month and of_week
        return of_month or of_week


@dataclass(frozen=True)
class FieldSchedule:
    """Five fields, as sets of values."""

    minutes: Field
    hours: Field
    days: Field
    months: Field
    weekdays: Field

    @property
    def on_days(self) -> "DayFields":
        """The three fields that choose days."""
        return DayFields(self.days, self.months, self.weekdays)

    @property
    def minutes_of_day(self) -> tuple[int, ...]:
        """Minutes after midnight at which it runs, in order."""
        return tuple(hour * 60 + minute for hour in sorted(self.hours.values) for minute in sorted(self.minutes.values))

    @property
    def fields(self) -> tuple[Field, Field, Field, Field, Field]:
        """All five, in the order of the expression."""
        return (self.minutes, self.hours, self.days, self.months, self.weekdays)


@dataclass(frozen=True)
class EverySchedule:
    """`@every`: a fixed time after the run before, counted from the CronJob's creation."""

    interval: timedelta


def parse_cron(text: str) -> FieldSchedule | EverySchedule:
    """Read a schedule; raises ValueError, which says why, for whatever the API server refuses."""
    if "TZ" in text:
        raise ValueError("a time zone does not belong in it; use timeZone instead")
    if text.startswith("@"):
        if text.startswith(_EVERY):
            return EverySchedule(_parse_interval(text.removeprefix(_EVERY)))
        if text not in _MACROS:
            raise ValueError(f"macros are {', '.join(map(repr, _MACROS))} and '@every 4h'")
        return parse_cron(_MACROS[text])
    fields = [part for part in _BLANKS.split(text) if part]
    if len(fields) != 5:
        raise ValueError(f"Kubernetes wants five fields (minute hour day month weekday), it has {len(fields)}")
    minutes, hours, days, months, weekdays = fields
    return FieldSchedule(
        _parse_field(minutes, "minute", 0, 59),
        _parse_field(hours, "hour", 0, 23),
        _parse_field(days, "day of the month", 1, 31),
        _parse_field(months, "month", 1, 12, {name: place for place, name in enumerate(_MONTHS, start=1)}),
        _parse_field(weekdays, "weekday", 0, 6, {name: place for place, name in enumerate(_WEEKDAYS)}),
    )


def _parse_field(text: str, title: str, lowest: int, highest: int, names: dict[str, int] | None = None) -> Field:
    values: set[int] = set()
    star, largest_step = False, 1
    for item in filter(None, text.split(",")):
        try:
            start, end, step, item_star = _parse_item(item, lowest, highest, names or {})
        except ValueError as error:
            raise ValueError(f"{title} {item!r}: {error}") from None
        values.update(range(start, end + 1, step))
        star = star or (item_star and step == 1)
        if step > 1 and end == highest:
            largest_step = max(largest_step, step)
    return Field(title, frozenset(values), star, 1 if star else largest_step, lowest, highest)


def _parse_item(item: str, lowest: int, highest: int, names: dict[str, int]) -> tuple[int, int, int, bool]:
    bounds, *steps = item.split("/")
    first, *rest = bounds.split("-")
    star = first in ("*", "?")
    if star:
        start, end = lowest, highest
    else:
        if len(rest) > 1:
            raise ValueError("too many hyphens")
        start = _parse_number(first, names)
        end = _parse_number(rest[0], names) if rest else start
    if len(steps) > 1:
        raise ValueError("too many slashes")
    step = _parse_number(steps[0], {}) if steps else 1
    if steps and not rest:
        end = highest
    if start < lowest or end > highest:
        sunday = " (Sunday is 0)" if names.get("sun") == 0 else ""
        raise ValueError(f"allowed are {lowest} to {highest}{sunday}")
    if start > end:
        raise ValueError("the range runs backwards")
    if step == 0:
        raise ValueError("a step of 0 never advances")
    return start, end, step, star


def _parse_number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not _INTEGER.fullmatch(text) or int(text) > _LARGEST_INTEGER:
        raise ValueError(f"{text!r} is no number" + (f" and none of {', '.join(names)}" if names else ""))
    return int(text)


def _parse_interval(text: str) -> timedelta:
    """Read a length of time as Go's time.ParseDuration does; less than a second becomes one second."""
    if text.lstrip("+-") == "0" and len(text) <= 2:
        return _ONE_SECOND
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no length of time; write for example '@every 4h' or '@every 1h30m'")
    seconds = sum(Decimal(number) * Decimal(_SECONDS[unit]) for number, unit in _DURATION_PART.findall(text))
    if seconds * 10**9 > _LARGEST_INTEGER:
        raise ValueError(f"{text!r} is too long")
    return _ONE_SECOND if text.startswith("-") else max(_ONE_SECOND, timedelta(seconds=int(seconds)))
