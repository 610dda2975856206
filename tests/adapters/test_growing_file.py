"""A file is read while another writes it: all of it, hashed, and to its end."""

import hashlib
import os
from pathlib import Path
from threading import Event, Thread

from catalyx_dr.adapters.growing_file import GrowingFile


def test_everything_is_read_that_is_written_before_the_end_is_told(tmp_path: Path) -> None:
    path, finished, written = tmp_path / "1.dat", Event(), os.urandom(100_000)
    path.touch()
    seen: list[bytes] = []

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            for begin in range(0, len(written), 7_000):
                file.write(written[begin : begin + 7_000])
                # What was written is read before more comes: the reader goes on at the end that it has met.
                while sum(map(len, seen)) < begin:
                    pass
        finished.set()

    writer = Thread(target=write)
    with GrowingFile(path, finished) as content:
        writer.start()
        while block := content.read(4_096):
            seen.append(block)
        writer.join()
        stored = content.measure.as_stored("participant/1.dat")

    assert b"".join(seen) == written
    assert (stored.path, stored.bytes) == ("participant/1.dat", len(written))
    assert stored.sha256 == hashlib.sha256(written).hexdigest()


def test_finished_file_is_read_to_its_end(tmp_path: Path) -> None:
    finished = Event()
    finished.set()
    (tmp_path / "1.dat").write_bytes(b"rows")

    with GrowingFile(tmp_path / "1.dat", finished) as content:
        assert content.read() == b"rows"
