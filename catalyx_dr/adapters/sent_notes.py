"""Notes of the segments that are in the bucket, kept beside their set on the volume; they move with it."""

import os
from contextlib import suppress
from pathlib import Path

from catalyx_dr.model.sent_segment import SentSegment

_FOLDER = "sent"
# Many times a note; what is longer, or a device that never ends, is none.
_LARGEST = 65_536


class SentNotes:
    """Notes of one set, whose folder may be renamed meanwhile. A lost note costs a segment: no disk is waited for."""

    def __init__(self, folder: Path) -> None:
        (folder / _FOLDER).mkdir(exist_ok=True)
        self._folder = os.open(folder / _FOLDER, os.O_RDONLY | os.O_DIRECTORY)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._folder)

    def write(self, sent: SentSegment) -> None:
        """Note a segment, whole or not at all; what a full disk does not take is sent once more."""
        name = sent.object.path
        with suppress(OSError):
            with open(f".{name}", "wb", opener=self._opened) as file:
                file.write(sent.written)
            os.rename(f".{name}", name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def read(self, name: str) -> SentSegment | None:
        """Note of the segment of that name; None when there is none that is whole."""
        with suppress(OSError, ValueError), open(name, "rb", opener=self._opened) as file:
            return SentSegment.read(file.read(_LARGEST))
        return None

    def _opened(self, name: str, flags: int) -> int:
        # A pipe that came in the place of a note is not waited for.
        return os.open(name, flags | os.O_NONBLOCK, 0o600, dir_fd=self._folder)
