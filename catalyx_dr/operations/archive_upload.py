"""Sends one archive to the bucket, segment by segment; what is noted beside its set as sent is not sent again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

from catalyx_dr import __version__
from catalyx_dr.adapters import archives
from catalyx_dr.adapters.archives import segment_name, segments
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.encryption import Readable, encrypt
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.adapters.sent_notes import SentNotes
from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.errors import CatalyxDrError, MissingError, UnprovenError
from catalyx_dr.model.sent_segment import SegmentMaking, SentSegment

_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class ArchiveUpload:
    """Archive `name` of a set. `notes`: of what is sent; None where a killed run leaves nothing to go on with.

    `is_over`: asked before each segment but the first that is sent, so that every run sends one.
    """

    bucket: BucketSets
    set_id: str
    name: str
    recipients: Sequence[str]
    pace: Pace
    notes: SentNotes | None = None
    is_over: Callable[[], bool] = lambda: False
    given_up: Event = field(default_factory=Event)

    def send(self, archive: Readable) -> tuple[StoredFile, ...]:
        """Send it to its end; returns its segments in their order.

        Raises whatever reading it raises, UnreachableError, RefusedError, UnprovenError for a store that has not what
        was sent, CatalyxDrError when its time is over.
        """
        stored = []
        is_begun = False
        for number, segment in enumerate(segments(archive), 1):
            name = segment_name(self.name, number)
            found = self._there(name, segment)
            if found is None:
                if is_begun and self.is_over():
                    raise CatalyxDrError(f"the time for it is over; the next run goes on with {name}")
                found, is_begun = self._send(name, segment), True
            stored.append(found)
        return tuple(stored)

    def close(self) -> None:
        """Send no more, and wait for no store that is away."""
        self.given_up.set()

    @property
    def _making(self) -> SegmentMaking:
        return SegmentMaking(recipients=tuple(self.recipients), bytes=archives.SEGMENT_BYTES, tool_version=__version__)

    def _there(self, name: str, segment: Readable) -> StoredFile | None:
        """The segment as an earlier run sent it, if the store still has it; it is read past then."""
        sent = self.notes.read(name) if self.notes else None
        if sent is None or sent.made != self._making:
            return None
        try:
            found = self.bucket.store.look_at(self.bucket.key(self.set_id, name), self.given_up)
        except MissingError:
            return None
        if (found.bytes, found.etag) != (sent.object.bytes, sent.etag):
            return None
        while segment.read(_BLOCK_BYTES):
            pass
        return sent.object

    def _send(self, name: str, segment: Readable) -> StoredFile:
        store, key = self.bucket.store, self.bucket.key(self.set_id, name)
        with store.writing(key, self.pace, self.given_up) as upload:
            encrypt(segment, upload, self.recipients)
        sent, found = upload.measure.as_stored(name), store.look_at(key, self.given_up)
        if found.bytes != sent.bytes:
            raise UnprovenError(f"{key} in {store} has {found.bytes} bytes, {sent.bytes} were sent; run again")
        if self.notes:
            self.notes.write(SentSegment(object=sent, etag=found.etag, made=self._making))
        return sent
