"""How a person names a capture: an id, the newest, or the newest from before a moment."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from catalyx_dr.model.capture_id import PATTERN as CAPTURE_ID_PATTERN
from catalyx_dr.model.capture_id import captured_at, check_capture_id

LATEST = "latest"
_BEFORE = re.compile(r"^latest before (\S+)$")


@dataclass(frozen=True)
class Selection:
    """`named`: an id or `latest`; `before`: in UTC, only with `latest`."""

    named: str
    before: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> "Selection":
        """Read `latest`, `latest before 2026-11-24T06:00:00Z` or an id; raises ValueError for a moment without zone."""
        match = _BEFORE.fullmatch(text)
        if match is None:
            return cls(text)
        try:
            moment = datetime.fromisoformat(match[1])
            zoned = moment.astimezone(UTC) if moment.tzinfo else None
        except (ValueError, OverflowError):
            zoned = None
        if zoned is None:
            raise ValueError(
                f"{match[1]!r} is no moment with a time zone; write for example latest before 2026-11-24T06:00:00Z"
            )
        return cls(LATEST, zoned)


def may_mean(text: str, capture_id: str) -> bool:
    """Tell whether a selector, at some time, can have named the capture: `latest` was any, or any before its moment."""
    selection = Selection.parse(text)
    if selection.named != LATEST:
        return text == capture_id
    return selection.before is None or captured_at(capture_id) < selection.before


def _check(text: str) -> str:
    if Selection.parse(text).named != LATEST:
        check_capture_id(text)
    return text


Selector = Annotated[str, StringConstraints(pattern=rf"^latest$|{CAPTURE_ID_PATTERN}"), AfterValidator(_check)]
SetSelector = Annotated[
    str,
    StringConstraints(pattern=rf"^latest$|^latest before \S+$|{CAPTURE_ID_PATTERN}"),
    AfterValidator(_check),
]
