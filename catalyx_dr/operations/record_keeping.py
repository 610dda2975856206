"""How many records of runs that only look stay: enough for a history, not one for each day of years."""

from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.model.record import RecordKind

_KEPT = 30


def forget_old_runs(store: RecordStore, validator: str, kind: RecordKind) -> None:
    """Delete all but the newest records of `kind`."""
    for record in store.list(validator, kind)[_KEPT:]:
        store.delete(record)
