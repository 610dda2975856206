"""When something runs, how long it may take, and what is promised by it."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from catalyx_dr.model.duration import PositiveDuration, format_duration
from catalyx_dr.model.schedule import Schedule, check_cron, check_time_zone
from catalyx_dr.model.spec import Flag, Spec

SHORTEST_RUN = timedelta(minutes=1)


def _check_deadline(length: timedelta) -> timedelta:
    if length < SHORTEST_RUN:
        raise ValueError(
            f"{format_duration(length)!r} leaves no time for a run; allowed: {format_duration(SHORTEST_RUN)} or more, "
            "for example 4h"
        )
    return length


Cron = Annotated[str, AfterValidator(check_cron)]


TimeZone = Annotated[str, AfterValidator(check_time_zone)]


class RunSchedule(Spec):
    """When something runs, and how long it may take."""

    cron: Cron
    time_zone: TimeZone = "Etc/UTC"
    suspend: Flag = False
    deadline: Annotated[PositiveDuration, AfterValidator(_check_deadline)] = Field(
        default=timedelta(hours=6), description="A run that takes longer is ended"
    )

    @property
    def schedule(self) -> Schedule:
        """Cron expression and zone as one value."""
        return Schedule(self.cron, self.time_zone)


class CaptureSchedule(RunSchedule):
    """The schedule of captures, and the recovery point their owner is promised."""

    recovery_point: PositiveDuration | None = Field(
        default=None, description="Alert when the newest proven capture is older"
    )
