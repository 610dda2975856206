"""Restores from snapshots that are cut off before they have chosen anything again."""

from pathlib import Path

import pytest

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.volume_snapshots import ClusterSnapshots, FoundSnapshot
from catalyx_dr.model.errors import EndedError
from catalyx_dr.model.record import READ_SET, Record, RecordKind, RecordStatus
from catalyx_dr.operations.restore import RestoreOrder
from catalyx_dr.operations.snapshot_restore import restore_snapshots
from catalyx_dr.operations.surroundings import Surroundings
from tests.fixtures_validator import MemoryRecords
from tests.rules.test_snapshot_order import NOW
from tests.rules.test_snapshot_preflight import facts

_CLUSTER: Cluster = None  # type: ignore[assignment]  # nobody gets that far


class EndedLook(ClusterSnapshots):
    """The run is ended while it looks for the sets."""

    def found(self) -> list[FoundSnapshot]:
        raise EndedError("the run was ended from outside")


def test_a_request_keeps_its_set_wherever_it_is_cut_off(tmp_path: Path) -> None:
    """Its claims may hold that set already: with a newer `latest` they would be taken for what they are not."""
    records = MemoryRecords()
    begun = Record(
        kind=RecordKind.RESTORE,
        identifier="restore-1",
        validator="acme",
        status=RecordStatus.RUNNING,
        phase="restore",
        started=NOW,
        details={READ_SET: "20261124t060000z", "preflight": []},
    )
    records.save(begun)
    surroundings = Surroundings(records, SecretFiles(tmp_path))
    order = RestoreOrder("latest", "restore-1", "snapshot")

    with pytest.raises(EndedError):
        restore_snapshots(facts().spec, order, surroundings, _CLUSTER, EndedLook(_CLUSTER, "acme"))

    ended = records.find(RecordKind.RESTORE, "acme", "restore-1")
    assert ended is not None
    assert (ended.status, ended.details) == (RecordStatus.FAILED, {READ_SET: "20261124t060000z"})
