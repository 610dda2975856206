"""Ids of backup sets and identity dumps: a UTC second, sortable, usable in a Kubernetes name."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import StringConstraints

PATTERN = r"^[0-9]{8}t[0-9]{6}z$"
CaptureId = Annotated[str, StringConstraints(pattern=PATTERN)]
_FORMAT = "%Y%m%dt%H%M%Sz"


def capture_id(moment: datetime) -> str:
    """Id of a capture that started at `moment` (with a time zone), as `20261124t060000z`."""
    return moment.astimezone(UTC).strftime(_FORMAT)


def is_capture_id(text: str) -> bool:
    """Tell whether `text` is an id of this form."""
    return re.fullmatch(PATTERN, text) is not None


def captured_at(identifier: str) -> datetime:
    """Moment that an id names, in UTC; raises ValueError for anything else."""
    return datetime.strptime(identifier, _FORMAT).replace(tzinfo=UTC)
