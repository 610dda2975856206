"""A file that another process still writes, read and hashed as it grows."""

import io
from pathlib import Path
from threading import Event
from typing import Any

from catalyx_dr.adapters.measure import Measure

_LOOK_AGAIN_SECONDS = 0.02


class GrowingFile(io.RawIOBase):
    """Reads to the end that the file has when `finished` is set, and waits for more until then."""

    def __init__(self, path: Path, finished: Event) -> None:
        self._file = path.open("rb", buffering=0)
        self._finished = finished
        self.measure = Measure()

    def readable(self) -> bool:
        """Streams in one direction."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill some of the buffer; nothing at the end alone. Raises OSError."""
        view = memoryview(buffer)
        while True:
            # Asked before the file is read, so that nothing is missed that was written in between.
            at_end = self._finished.is_set()
            if size := self._file.readinto(view) or 0:
                self.measure.add(view[:size])
                return size
            if at_end:
                return 0
            self._finished.wait(_LOOK_AGAIN_SECONDS)

    def fileno(self) -> int:
        """The open file."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
