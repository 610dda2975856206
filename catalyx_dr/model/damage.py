"""What was found wrong with a capture where it is kept: written beside it, so that every later reader knows."""

from pydantic import AwareDatetime

from catalyx_dr.model.capture_id import CaptureId
from catalyx_dr.model.spec import Spec

DAMAGE_NAME = "damage.json"


class Damage(Spec):
    """A mark beside a capture. Without faults it says that the capture was found sound again: locks forbid deletion."""

    capture_id: CaptureId
    found: AwareDatetime
    faults: tuple[str, ...] = ()
