"""Backups that are ended at any moment: by SIGTERM with a record, by SIGKILL without; the next run recovers."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from catalyx_dr.adapters import archives, dump_files
from catalyx_dr.adapters.measured_reading import read_object
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.errors import CatalyxDrError, EndedError, UnreachableError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.record import RecordStatus
from catalyx_dr.model.run_limits import IoPriority, RunLimits
from catalyx_dr.operations.backup import back_up
from tests.fixtures_bucket import S3Server
from tests.fixtures_postgres import VALIDATOR_DATABASES, ThrowawayServer
from tests.fixtures_validator import Protected
from tests.operations.records_in_files import FileRecords

_PROJECT = Path(__file__).parents[2]
# Some three seconds for each database.
_SLOW = RunLimits(dump_bytes_per_second=Quantity.parse("256Ki"))


def _wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def _job(protected: Protected) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a process group of its own, which is gone after the block."""
    what: tuple[str | Path, ...] = (protected.spec.model_dump_json(), _folder(protected), str(archives.SEGMENT_BYTES))
    job = subprocess.Popen(
        [sys.executable, "-m", "tests.operations.backup_job", *what],
        cwd=_PROJECT,
        env={**os.environ, "PYTHONPATH": str(_PROJECT)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield job
    finally:
        with suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        job.wait()
        if job.stderr:
            job.stderr.close()


def _folder(protected: Protected) -> Path:
    return protected.surroundings.volume.parent


def _everything_listed_is_whole(protected: Protected) -> set[str]:
    """Read all that is listed, to its last byte; returns the ids."""
    volume, bucket = protected.volume, protected.bucket_sets
    for manifest in volume.published():
        for capture in manifest.databases:
            dump_files.check_unchanged(volume.folder(manifest.set_id), capture.role, capture.files, 1)
    for manifest in bucket.published():
        for capture in manifest.databases:
            for segment in capture.segments:
                reading = read_object(
                    bucket.store, bucket.key(manifest.set_id, segment.path), Pace(None), segment.bytes
                )
                assert reading.differs_from(segment) is None
    return {manifest.set_id for manifest in (*volume.published(), *bucket.published())}


def _nothing_is_left_over(protected: Protected) -> bool:
    bucket = protected.bucket_sets
    uploads = bucket.store.client.list_multipart_uploads(Bucket=bucket.store.at.name).get("Uploads", [])
    in_flight = protected.surroundings.volume / "in-flight"
    return (
        uploads == []
        and set(bucket.listed()) == {manifest.set_id for manifest in bucket.published()}
        and (not in_flight.exists() or list(in_flight.iterdir()) == [])
    )


@pytest.fixture(params=["volume and bucket", "bucket only"])
def destined(
    request: pytest.FixtureRequest, protected_in_bucket: Protected, monkeypatch: pytest.MonkeyPatch
) -> Protected:
    """A validator with each kind of destination, whose jobs send small segments and keep their records in files."""
    monkeypatch.setattr(archives, "SEGMENT_BYTES", 30_000)
    only = {"volume": None} if request.param == "bucket only" else {}
    return _recorded_in_files(protected_in_bucket.declared(**only))


def _recorded_in_files(protected: Protected) -> Protected:
    records = FileRecords(_folder(protected) / "records")
    return replace(protected, surroundings=replace(protected.surroundings, records=records))


def _slowed(protected: Protected) -> Protected:
    return protected.declared(limits=_SLOW)


def test_sigterm_ends_the_run_with_its_phase_in_the_record(destined: Protected) -> None:
    slow = _slowed(destined)
    with _job(slow) as job:
        _wait_until(lambda: "participant" in _phase(slow) or job.poll() is not None)
        job.terminate()
        _, errors = job.communicate(timeout=60)

    assert b"the run was ended from outside" in errors
    found = slow.records[0]
    assert found.status is RecordStatus.FAILED
    assert "participant" in found.phase
    assert "ended from outside" in found.message
    assert found.finished is not None
    assert _everything_listed_is_whole(destined) == set()
    record = back_up(destined.spec, destined.surroundings)
    assert record.status is RecordStatus.COMPLETED
    assert _nothing_is_left_over(destined)


def test_run_that_is_ended_while_it_prunes_has_taken_its_set_and_the_next_prunes_the_rest(
    protected: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        back_up(protected.spec, protected.surroundings)
        protected.clock.next_day()
    with monkeypatch.context() as patch:
        patch.setattr("catalyx_dr.operations.backup.prune", Mock(side_effect=EndedError("SIGTERM")))
        record = back_up(protected.spec, protected.surroundings)
    assert record.status is RecordStatus.COMPLETED
    assert "attention: ended from outside while old sets were removed" in record.message
    assert len(protected.set_ids) == 4

    protected.clock.next_day()
    back_up(protected.spec, protected.surroundings)

    assert len(protected.set_ids) == 3


def _phase(protected: Protected) -> str:
    records = protected.records
    return records[0].phase if records else ""


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments_nothing_wrong_is_listed(destined: Protected, seed: int) -> None:
    # Its id is no other run's, however fast that comes.
    destined.clock.shift = timedelta(minutes=-1)
    back_up(destined.spec, destined.surroundings)
    moments = random.Random(seed)  # noqa: S311 - moments, not secrets
    steps = ("check", "validator-app", "participant", "decode", "order", "publish", "export", "retention")

    for _ in range(3):
        wanted = moments.choice(steps)
        with _job(destined) as job:
            _wait_until(lambda: wanted in _phase(destined) or job.poll() is not None)  # noqa: B023
            time.sleep(moments.uniform(0, 0.1))
        completed = [one for one in destined.records if one.status is RecordStatus.COMPLETED]
        # Retention may have removed earlier ones; the newest that was proven stays.
        assert completed[0].identifier in _everything_listed_is_whole(destined)

    destined.clock.next_day()
    record = back_up(destined.spec, destined.surroundings)
    assert record.identifier in _everything_listed_is_whole(destined)
    assert _nothing_is_left_over(destined)
    assert all(one.status is not RecordStatus.RUNNING for one in destined.records)


def test_store_lost_in_the_middle_of_an_upload(destined: Protected, s3_server: S3Server) -> None:
    proven = back_up(destined.spec, destined.surroundings).identifier
    destined.clock.next_day()
    bucket = destined.bucket_sets
    slow = destined.declared(limits=RunLimits(upload_bytes_per_second=Quantity.parse("64Ki")))

    with _job(slow) as job:
        _wait_until(
            lambda: (
                bucket.store.client.list_multipart_uploads(Bucket=bucket.store.at.name).get("Uploads")
                or job.poll() is not None
            )
        )
        s3_server.stop()
        try:
            _, errors = job.communicate(timeout=120)
        finally:
            s3_server.start()

    assert UnreachableError.__name__.encode() in errors
    assert proven in _everything_listed_is_whole(destined)
    assert back_up(destined.spec, destined.surroundings).status is RecordStatus.COMPLETED
    assert _nothing_is_left_over(destined)


def test_server_restarted_in_the_middle_of_a_dump(protected_in_bucket: Protected) -> None:
    with tempfile.TemporaryDirectory(prefix="catalyx-dr-postgres-") as folder:
        server = ThrowawayServer(Path(folder))
        for name, tables in VALIDATOR_DATABASES.items():
            server.create(name, tables)
        own = _on_server(_recorded_in_files(protected_in_bucket), server)
        try:
            with _job(_slowed(own)) as job:
                _wait_until(lambda: "participant" in _phase(own) or job.poll() is not None)
                server.stop()
                _, errors = job.communicate(timeout=60)
            assert b"catalyx_dr.model.errors." in errors
            assert _everything_listed_is_whole(own) == set()
        finally:
            server.stop()
        server = ThrowawayServer(Path(folder))
        try:
            again = _on_server(own, server)
            assert back_up(again.spec, again.surroundings).status is RecordStatus.COMPLETED
            assert _nothing_is_left_over(again)
        finally:
            server.stop()


def _on_server(protected: Protected, server: ThrowawayServer) -> Protected:
    databases = protected.spec.databases
    at = databases.server.model_copy(update={"port": server.port})
    spec = protected.spec.model_copy(update={"databases": databases.model_copy(update={"server": at})})
    return replace(protected, spec=spec)


def test_limits_hold_for_the_programs_and_are_told(protected: Protected) -> None:
    limits = RunLimits(
        niceness=7,
        io_priority=IoPriority.IDLE,
        dump_bytes_per_second=Quantity.parse("64Ki"),
        upload_bytes_per_second=Quantity.parse("1Mi"),
    )
    assert str(limits) == "niceness 7, disk priority idle, dump at most 64Ki a second, upload at most 1Mi a second"
    limited = protected.declared(limits=limits)
    with _job(limited) as job:
        found: list[int] = []
        while not found:
            assert job.poll() is None
            found = _dumps(job.pid)
        program = found[0]
        assert os.getpriority(os.PRIO_PROCESS, program) == 7
        answer = subprocess.run(["ionice", "-p", str(program)], capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == "idle"


def _dumps(pid: int) -> list[int]:
    """Processes that dump, not those that are only asked for their version."""
    command = ["pgrep", "--parent", str(pid), "--full", "pg_dump .*--snapshot="]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return [int(word) for word in answer.stdout.split()]


def test_limit_that_would_never_end_is_refused() -> None:
    with pytest.raises(ValueError, match="'10' a second would never end; allowed: 64Ki or more"):
        RunLimits(dump_bytes_per_second=Quantity.parse("10"))


def test_server_behind_a_limit_is_still_refused_by_its_name(protected: Protected, bucket: BackupBucket) -> None:
    databases = protected.spec.databases
    at = databases.server.model_copy(update={"port": 1})
    spec = protected.spec.model_copy(update={"databases": databases.model_copy(update={"server": at})})

    with pytest.raises(CatalyxDrError, match=r"PostgreSQL at 127\.0\.0\.1:1 "):
        back_up(spec, _slowed(protected).surroundings)
