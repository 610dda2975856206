"""A set that is being restored or rehearsed: no other run begins beside a restore, and no retention removes the set."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.postgres_client import PostgresClient
from catalyx_dr.adapters.run_lease import Held
from catalyx_dr.model.backup import BackupVolume
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.record import READ_SET, Record, RecordKind, RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.operations import restore as restore_module
from catalyx_dr.operations.adopt_set import SetToAdopt, adopt_set
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.restore import RestoreOrder, restore
from tests.fixtures_validator import Protected, WorkloadLog

_CLUSTER: Cluster = None  # type: ignore[assignment]  # workloads are stand-ins


@dataclass
class MemoryLeases:
    """Leases of one process; `lost`: they cannot be renewed."""

    taken: set[str] = field(default_factory=set)
    lost: bool = False

    @contextmanager
    def only_run(self, validator: str, _what: str = "") -> Iterator[Held]:
        if validator in self.taken:
            raise RefusedError("another backup or recovery of this validator is running")
        self.taken.add(validator)
        try:
            yield self
        finally:
            self.taken.remove(validator)

    def check(self) -> None:
        if self.lost:
            raise CatalyxDrError("the Lease could not be renewed")


@pytest.fixture
def bucket_only(
    protected_in_bucket: Protected, workload_log: WorkloadLog, monkeypatch: pytest.MonkeyPatch
) -> tuple[Protected, MemoryLeases]:
    """A validator whose sets are in the bucket alone, with one there."""
    leases = MemoryLeases()
    only = protected_in_bucket.declared(volume=None)
    only = replace(only, surroundings=replace(only.surroundings, leases=leases))
    monkeypatch.setattr(restore_module, "prove_restored", lambda *_: {})
    back_up(only.spec, only.surroundings)
    return only, leases


def _restore(protected: Protected) -> Record:
    order = RestoreOrder("latest", "r1", "bucket", protected.identity_file)
    return restore(protected.spec, order, protected.surroundings, _CLUSTER)


def _while_loading(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    real: Callable[..., None] = PostgresClient.load

    def load(self: PostgresClient, *given: object, rows: bool = True, **options: object) -> None:
        if rows:
            action()
        real(self, *given, rows=rows, **options)

    monkeypatch.setattr(PostgresClient, "load", load)


def test_nothing_else_begins_while_a_restore_from_the_bucket_goes_on(
    bucket_only: tuple[Protected, MemoryLeases], monkeypatch: pytest.MonkeyPatch
) -> None:
    protected, leases = bucket_only
    refused: list[object] = []

    def begin_others() -> None:
        for begin in (
            partial(back_up, protected.spec, protected.surroundings),
            partial(adopt_set, protected.spec, SetToAdopt("hand", "bucket"), protected.surroundings),
        ):
            with pytest.raises(RefusedError, match="another backup or recovery"):
                begin()
            refused.append(begin)

    _while_loading(monkeypatch, begin_others)
    assert _restore(protected).status is RecordStatus.COMPLETED
    assert len(refused) == 4  # two at each database
    assert leases.taken == set()


def test_restore_that_lost_its_lease_swaps_nothing(
    bucket_only: tuple[Protected, MemoryLeases], monkeypatch: pytest.MonkeyPatch, workload_log: WorkloadLog
) -> None:
    protected, leases = bucket_only
    _while_loading(monkeypatch, lambda: setattr(leases, "lost", True))

    with pytest.raises(CatalyxDrError, match="could not be renewed"):
        _restore(protected)

    assert not [name for name in protected.server.databases() if name.startswith(("loading", "replaced"))]
    assert workload_log.running == {"validator-app": True, "participant": True}


@pytest.mark.parametrize("kind", [RecordKind.RESTORE, RecordKind.DRILL])
def test_retention_waits_for_whoever_reads_a_set(protected_in_bucket: Protected, kind: RecordKind) -> None:
    one = protected_in_bucket.declared(volume=BackupVolume(storage_class="standard", retention=Retention(keep=1)))
    first = back_up(one.spec, one.surroundings).identifier
    reading = Record(
        kind=kind,
        identifier="r1",
        validator="validator-1",
        status=RecordStatus.RUNNING,
        phase="load",
        started=one.clock(),
        details={READ_SET: first},
    )
    one.surroundings.records.save(reading)
    taken = [first, *_later(one, 3)]

    assert one.set_ids == [first, taken[-1]]
    assert _in_bucket(one) == [first, *taken[-2:]]

    one.surroundings.records.save(reading.model_copy(update={"status": RecordStatus.COMPLETED}))
    taken += _later(one, 1)
    assert one.set_ids == taken[-1:]
    assert _in_bucket(one) == taken[-2:]


def _later(protected: Protected, count: int) -> list[str]:
    taken = []
    for _ in range(count):
        protected.clock.next_day()
        taken.append(back_up(protected.spec, protected.surroundings).identifier)
    return taken


def _in_bucket(protected: Protected) -> list[str]:
    return sorted(protected.bucket_sets.set_ids())
