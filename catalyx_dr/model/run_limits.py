"""How much a backup may take from what runs beside it."""

from enum import StrEnum

from pydantic import Field

from catalyx_dr.model.amounts import Rate
from catalyx_dr.model.spec import Spec, WholeNumber


class IoPriority(StrEnum):
    """How a run's programs stand in the queue of its node's disk."""

    NORMAL = "normal"
    LOW = "low"
    IDLE = "idle"


class RunLimits(Spec):
    """How much a backup may take from what runs beside it; absent means as much as it can get."""

    niceness: WholeNumber = Field(default=0, ge=0, le=19, description="Processor priority within the pod; 19 is least")
    io_priority: IoPriority = Field(default=IoPriority.NORMAL, description="Disk priority; idle waits for everybody")
    dump_bytes_per_second: Rate | None = Field(
        default=None, description="Most that a dump reads from the database server in a second, such as 50Mi"
    )
    upload_bytes_per_second: Rate | None = Field(
        default=None, description="Most that is sent to the bucket in a second"
    )

    @property
    def upload_rate(self) -> int | None:
        """Bytes a second that may be sent, or None."""
        return self.upload_bytes_per_second.bytes if self.upload_bytes_per_second else None

    def __str__(self) -> str:
        said = [f"niceness {self.niceness}"] if self.niceness else []
        if self.io_priority is not IoPriority.NORMAL:
            said.append(f"disk priority {self.io_priority}")
        if self.dump_bytes_per_second:
            said.append(f"dump at most {self.dump_bytes_per_second} a second")
        if self.upload_bytes_per_second:
            said.append(f"upload at most {self.upload_bytes_per_second} a second")
        return ", ".join(said)
