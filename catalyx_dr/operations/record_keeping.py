"""Runs that only look: each has a record, and enough of these stay for a history, not one for each day of years."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.surroundings import Surroundings

_KEPT = 30
# What a run has after its deadline before it is killed.
_TO_END = timedelta(minutes=1)


@contextmanager
def looking(kind: RecordKind, validator: str, surroundings: Surroundings, deadline: timedelta) -> Iterator[Progress]:
    """Record the run of the block, named by its moment, and forget old ones however it ends."""
    identifier = capture_id(surroundings.now())
    with reporting(kind, identifier, validator, surroundings.records, surroundings.now) as progress:
        try:
            yield progress
        finally:
            _look_back(surroundings, validator, kind, deadline)


def is_killed(record: Record, deadline: timedelta, surroundings: Surroundings) -> bool:
    """Tell whether the run of this record cannot go on any more: one may be started by hand beside another."""
    age = surroundings.now() - record.started
    return record.status is RecordStatus.RUNNING and age >= deadline + _TO_END


def _look_back(surroundings: Surroundings, validator: str, kind: RecordKind, deadline: timedelta) -> None:
    """Close the records of killed runs, and delete all but the newest of `kind`."""
    for number, record in enumerate(surroundings.records.legible(validator, kind).records):
        if number >= _KEPT:
            surroundings.records.delete(record)
        elif is_killed(record, deadline, surroundings):
            surroundings.records.save(record.killed(surroundings.now(), "a later run"))
