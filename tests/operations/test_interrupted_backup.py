"""Backups that are killed, run out of room, or lose their database: nothing wrong is listed, the next run recovers."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from psycopg import sql

from catalyx_dr.adapters import canton_database
from catalyx_dr.adapters.postgres import Connection
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.run_limits import RunLimits
from catalyx_dr.operations.backup import back_up
from tests.fixtures_validator import MemoryRecords, Protected

_RUN = """
import sys
from pathlib import Path
from typing import cast
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.surroundings import Surroundings
from tests.fixtures_validator import MemoryRecords
spec, folder = ValidatorSpec.model_validate_json(sys.argv[1]), Path(sys.argv[2])
back_up(spec, Surroundings(MemoryRecords(), SecretFiles(folder / "secrets"), folder / "volume", folder / "scratch"))
"""


def _wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def large(protected: Protected) -> Protected:
    """A participant of 40 MB that does not compress, so that dumps take their time and room."""
    with protected.server.owner("participant") as connection:
        connection.execute("CREATE TABLE participant.large (data bytea)")
        with connection.cursor().copy("COPY participant.large FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["bytea"])
            for _ in range(10_000):
                copy.write_row([os.urandom(4096)])
    return protected


@pytest.mark.parametrize("moment", ["validator-app/toc.dat", "participant"])
def test_killed_run_leaves_nothing_listed_and_the_next_one_cleans_up(large: Protected, moment: str) -> None:
    folder = large.surroundings.volume.parent
    in_flight = large.surroundings.volume / "in-flight"
    # Ten seconds of a dump, however late this process looks.
    slow = large.declared(limits=RunLimits(dump_bytes_per_second=Quantity.parse("4Mi")))
    run = subprocess.Popen(
        [sys.executable, "-c", _RUN, slow.spec.model_dump_json(), str(folder)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_until(lambda: list(in_flight.glob(f"*/{moment}")) or run.poll() is not None)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert list(in_flight.iterdir())
    assert large.set_ids == []

    record = back_up(large.spec, large.surroundings)

    assert large.set_ids == [record.identifier]
    assert list(in_flight.iterdir()) == []


def test_run_that_ended_without_a_word_is_recorded_as_failed(protected: Protected) -> None:
    protected.surroundings.records.save(
        Record(
            kind=RecordKind.BACKUP_SET,
            identifier="20200101t000000z",
            validator="validator-1",
            status=RecordStatus.RUNNING,
            phase="dump participant",
            started=protected.clock(),
        )
    )

    back_up(protected.spec, protected.surroundings)

    found = protected.surroundings.records.find(RecordKind.BACKUP_SET, "validator-1", "20200101t000000z")
    assert found is not None
    assert (found.status, found.phase) == (RecordStatus.FAILED, "dump participant")


def test_damaged_record_fails_no_backup_and_is_told(protected: Protected) -> None:
    first = back_up(protected.spec, protected.surroundings)
    cast("MemoryRecords", protected.surroundings.records).damaged.add(first.object_name)
    protected.clock.next_day()

    told = back_up(protected.spec, protected.surroundings).message

    assert told.endswith(f"attention: ConfigMap {first.object_name} is no record; delete it")


@pytest.fixture
def small_volume(large: Protected, tmp_path: Path) -> Iterator[Protected]:
    """A backup volume of 24 MB."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    volume = tmp_path / "small"
    volume.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", volume], check=False).returncode != 0:
        pytest.skip("this machine allows no mounts")
    yield replace(large, surroundings=replace(large.surroundings, volume=volume))
    subprocess.run(["umount", volume], check=True)


def test_full_volume_fails_clearly_and_leaves_room(small_volume: Protected) -> None:
    with pytest.raises(CatalyxDrError, match="No space left on device"):
        back_up(small_volume.spec, small_volume.surroundings)

    assert small_volume.set_ids == []
    # A thread that reads a removed file lets go of it at its end.
    _wait_until(lambda: shutil.disk_usage(small_volume.surroundings.volume).used < 100_000)


def test_volume_that_would_be_full_is_refused_before_the_dump(small_volume: Protected) -> None:
    (small_volume.surroundings.volume / "ballast").write_bytes(b"0" * 10_000_000)

    with pytest.raises(RefusedError, match="bytes free, and this set is expected to take"):
        back_up(small_volume.spec, small_volume.surroundings)

    assert [record.phase for record in small_volume.records] == ["check"]


def test_database_that_ends_the_connection_fails_the_run(large: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(connection: Connection) -> dict[str, int]:
        large.server.run(
            "postgres",
            sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'participant'"),
        )
        connection.execute("SELECT 1")
        return {}

    real = canton_database.row_counts
    monkeypatch.setattr(
        canton_database, "row_counts", lambda c: cut_off(c) if c.info.dbname == "participant" else real(c)
    )
    with pytest.raises(CatalyxDrError, match="database 'participant'"):
        back_up(large.spec, large.surroundings)
    monkeypatch.undo()

    assert large.set_ids == []
    large.clock.next_day()
    assert back_up(large.spec, large.surroundings).status is RecordStatus.COMPLETED
