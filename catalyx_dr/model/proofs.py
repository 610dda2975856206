"""How captures are proven by a schedule: read again, and restored in a drill."""

from typing import Literal

from pydantic import Field

from catalyx_dr.model.amounts import Rate, Room
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.run_schedule import RunSchedule
from catalyx_dr.model.spec import Flag, ImageReference, ObjectName, SecretKey, WholeNumber


class Verification(RunSchedule):
    """Scheduled re-reading of everything that was captured, wherever it is kept."""

    bandwidth: Rate = Field(
        default=Quantity.parse("64Mi"), description="Bytes a second that are read, so that nothing else has to wait"
    )


class Drill(RunSchedule):
    """Scheduled restore of the newest proven set into a throw-away PostgreSQL.

    Dumps are loaded into one beside the job; snapshots become claims, with the server's own pod on each.
    """

    image: ImageReference = Field(
        default="docker.io/library/postgres:17",
        description="Image with initdb and postgres on its PATH, of the servers' major version",
    )
    run_as_user: WholeNumber = Field(
        default=999,
        ge=1,
        description="User of that image that PostgreSQL runs as: 999 in the official one, 70 in Alpine's",
    )
    as_superuser: Flag = Field(
        default=False,
        description="Load with every right: where a managed service lets the databases' user do what elsewhere only a "
        "superuser may",
    )
    source: Literal["volume", "bucket", "snapshot"] = Field(
        default="volume", description="Where backups are snapshots: snapshot, also when it is left out"
    )
    age_identity: SecretKey | None = Field(
        default=None, description="Secret with a private age identity; needed only to read from the bucket"
    )
    storage: Room | None = Field(
        default=None, description="Room for the restored databases; absent: the storage of both databases"
    )
    storage_class: ObjectName | None = Field(
        default=None, description="Class of a claim that lives as long as the job's pod; absent: the node's own disk"
    )
