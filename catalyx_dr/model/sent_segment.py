"""What is noted beside a set on the volume of a segment that is complete in the bucket."""

from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.sealed import sealed, unsealed
from catalyx_dr.model.spec import Spec


class SegmentMaking(Spec):
    """What a segment was made with: made otherwise, it would hold other bytes of the archive, or open to others.

    `bytes`: of every segment but the last, before it is encrypted.
    """

    recipients: tuple[str, ...]
    bytes: int
    tool_version: str


class SentSegment(Spec):
    """`etag`: what the store called it when it was written; another object under its name has another one."""

    object: StoredFile
    etag: str
    made: SegmentMaking

    @classmethod
    def read(cls, content: bytes) -> "SentSegment":
        """Read what `written` wrote; raises ValueError for anything else, a note that is cut off for example."""
        return cls.model_validate(unsealed(content))

    @property
    def written(self) -> bytes:
        """The note as it is kept."""
        return sealed(self.model_dump(mode="json"))
