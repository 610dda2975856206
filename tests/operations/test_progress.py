"""What a run keeps on its record while it goes on."""

from datetime import UTC, datetime
from threading import Event

import pytest

from catalyx_dr.model.errors import UnreachableError
from catalyx_dr.model.record import EXPECTED_BYTES, Record, RecordKind, RecordStatus
from catalyx_dr.operations import progress as progress_module
from catalyx_dr.operations.progress import Progress, reporting
from tests.fixtures_validator import MemoryRecords


class Watched(MemoryRecords):
    """Records that tell when bytes were kept."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Record] = []
        self.seen = Event()

    def save(self, record: Record) -> None:
        super().save(record)
        if record.status is RecordStatus.RUNNING and record.bytes:
            self.kept.append(record)
            self.seen.set()


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_LOOK_EVERY_SECONDS", 0.01)


def now() -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC)


def started(progress: Progress) -> Progress:
    progress.phase("dump", 20)
    return progress


def test_bytes_and_share_are_kept_while_it_goes_on() -> None:
    records = Watched()
    with reporting(RecordKind.BACKUP_SET, "x", "acme", records, now) as progress:
        with started(progress).measuring(lambda: 250, expected=1000, until=60):
            assert records.seen.wait(10)
        done = progress.complete("done", size=400)

    first = records.kept[0]
    assert (first.bytes, first.percent, first.details[EXPECTED_BYTES]) == (250, 30, 1000)
    assert (done.bytes, done.percent) == (400, 100)


def test_share_ends_at_one_when_the_guess_was_low() -> None:
    records = Watched()
    with reporting(RecordKind.BACKUP_SET, "x", "acme", records, now) as progress:
        with started(progress).measuring(lambda: 9000, expected=1000, until=60):
            assert records.seen.wait(10)
        progress.complete("done")
    assert records.kept[0].percent == 60


def test_look_that_fails_is_left_out() -> None:
    records = Watched()
    faults: list[Exception] = [FileNotFoundError(), UnreachableError("away")]

    def look() -> int:
        if faults:
            raise faults.pop()
        return 7

    with reporting(RecordKind.BACKUP_SET, "x", "acme", records, now) as progress:
        with started(progress).measuring(look, expected=0, until=60):
            assert records.seen.wait(10)
        progress.complete("done")
    assert records.kept[0].bytes == 7


def fail_after_a_look(records: Watched) -> None:
    with (
        reporting(RecordKind.BACKUP_SET, "x", "acme", records, now) as progress,
        started(progress).measuring(lambda: 5, expected=10, until=60),
    ):
        assert records.seen.wait(10)
        raise UnreachableError("away")


def test_failed_run_has_no_size() -> None:
    records = Watched()
    with pytest.raises(UnreachableError):
        fail_after_a_look(records)
    (kept,) = records.list()
    assert (kept.status, kept.bytes) == (RecordStatus.FAILED, 0)
