"""How many captures are kept, and which."""

from pydantic import Field

from catalyx_dr.model.duration import PositiveDuration
from catalyx_dr.model.spec import Spec, WholeNumber

# More captures than anybody keeps; it holds sizes below what Kubernetes can count.
MOST_CAPTURES = 10_000


class Retention(Spec):
    """What is kept; counts look at proven captures only, and a capture is kept when any rule keeps it."""

    keep: WholeNumber = Field(
        ge=1, le=MOST_CAPTURES, description="Newest proven captures to keep: the vendor's Max Backup Number"
    )
    within: PositiveDuration | None = Field(default=None, description="Also keep everything younger than this")
    daily: WholeNumber = Field(
        default=0, ge=0, le=MOST_CAPTURES, description="Also keep the newest of each of this many days"
    )
    weekly: WholeNumber = Field(default=0, ge=0, le=MOST_CAPTURES)
    monthly: WholeNumber = Field(default=0, ge=0, le=MOST_CAPTURES)
    yearly: WholeNumber = Field(default=0, ge=0, le=MOST_CAPTURES)
    floor: WholeNumber = Field(
        default=1, ge=1, le=MOST_CAPTURES, description="Proven captures that no rule may ever remove"
    )
