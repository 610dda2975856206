"""What came in the place of a note of a sent segment is no note, and nobody waits for it."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from catalyx_dr.adapters.sent_notes import SentNotes


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("by", [os.mkfifo, Path.mkdir, _sparse, lambda path: path.symlink_to("/dev/full")])
def test_what_is_no_note_is_passed_over(tmp_path: Path, by: Callable[[Path], object]) -> None:
    with closing(SentNotes(tmp_path)) as notes:
        by(tmp_path / "sent" / "participant.tar.0001.age")
        assert notes.read("participant.tar.0001.age") is None
