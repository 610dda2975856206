"""Runs that only look: each has a record, and enough of these stay for a history, not one for each day of years."""

from collections.abc import Iterator
from contextlib import contextmanager

from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.record import RecordKind
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.surroundings import Surroundings

_KEPT = 30


@contextmanager
def looking(kind: RecordKind, validator: str, surroundings: Surroundings) -> Iterator[Progress]:
    """Record the run of the block, named by its moment, and forget old ones however it ends."""
    identifier = capture_id(surroundings.now())
    with reporting(kind, identifier, validator, surroundings.records, surroundings.now) as progress:
        try:
            yield progress
        finally:
            _forget_old_runs(surroundings.records, validator, kind)


def _forget_old_runs(store: RecordStore, validator: str, kind: RecordKind) -> None:
    """Delete all but the newest records of `kind`."""
    for record in store.list(validator, kind)[_KEPT:]:
        store.delete(record)
