"""Ids of backup sets and identity dumps: a UTC second, sortable, usable in a Kubernetes name."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

PATTERN = r"^[0-9]{8}t[0-9]{6}z$"
_FORMAT = "%Y%m%dt%H%M%Sz"


def capture_id(moment: datetime) -> str:
    """Id of a capture that started at `moment` (with a time zone), as `20261124t060000z`."""
    return moment.astimezone(UTC).strftime(_FORMAT)


def is_capture_id(text: str) -> bool:
    """Tell whether `text` is an id of this form, and of a second that there was or will be."""
    if re.fullmatch(PATTERN, text) is None:
        return False
    try:
        captured_at(text)
    except ValueError:
        return False
    return True


def captured_at(identifier: str) -> datetime:
    """Moment that an id names, in UTC; raises ValueError for anything else."""
    return datetime.strptime(identifier, _FORMAT).replace(tzinfo=UTC)


def check_capture_id(text: str) -> str:
    """Return `text` when it is an id; raise ValueError for digits that are no date or time."""
    if not is_capture_id(text):
        raise ValueError(f"{text!r} names no moment; write an id as history lists it, such as 20261124t060000z")
    return text


CaptureId = Annotated[str, StringConstraints(pattern=PATTERN), AfterValidator(check_capture_id)]
