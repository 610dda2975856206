"""A run that its deadline ends is recorded and told like any other failure."""

import os
import signal
from collections.abc import Iterator
from typing import cast

import pytest

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.cli import in_cluster
from catalyx_dr.cli.ending import ended_by_signal
from catalyx_dr.model.errors import EndedError
from catalyx_dr.model.record import RecordKind, RecordStatus
from catalyx_dr.operations.progress import reporting
from catalyx_dr.operations.surroundings import Surroundings
from tests.fixtures_identity import declared_spec
from tests.fixtures_validator import MemoryRecords


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, ...]]]:
    """Events that were written; the test's own end by SIGTERM is as before afterwards."""
    events: list[tuple[str, ...]] = []
    monkeypatch.setattr("catalyx_dr.operations.alerting.warn_about", lambda _, *words: events.append(words))
    before = signal.getsignal(signal.SIGTERM)
    yield events
    signal.signal(signal.SIGTERM, before)


def test_end_from_outside_is_recorded_and_told(told: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings = Surroundings(records=MemoryRecords())
    monkeypatch.setattr(in_cluster, "_surroundings", lambda _: surroundings)
    spec, cluster = declared_spec(), cast("Cluster", None)

    def run() -> None:
        with (
            ended_by_signal(),
            in_cluster._scheduled(RecordKind.DRILL, spec, cluster) as given,
            reporting(RecordKind.DRILL, "20260301t060000z", spec.name, given.records, given.now) as progress,
        ):
            progress.phase("load participant", 55)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(EndedError, match="its deadline has passed"):
        run()

    (record,) = surroundings.records.list()
    assert (record.status, record.phase) == (RecordStatus.FAILED, "load participant")
    assert told[0][:2] == ("validator-1-drill", "DrillFailed")
