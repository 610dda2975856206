"""Records in memory, and captures in them."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import JsonValue

from catalyx_dr.adapters.records import LegibleRecords, newest_first
from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.record import Record, RecordKind, RecordStatus


class MemoryRecords:
    """A record store."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records = {record.object_name: record for record in records}

    def save(self, record: Record) -> None:
        self._records[record.object_name] = record

    def find(self, kind: RecordKind, validator: str, identifier: str) -> Record | None:
        found = [one for one in self.list(validator, kind) if one.identifier == identifier]
        return found[0] if found else None

    def list(self, validator: str | None = None, kind: RecordKind | None = None) -> list[Record]:
        return newest_first(
            one for one in self._records.values() if validator in (None, one.validator) and kind in (None, one.kind)
        )

    def legible(self, validator: str | None = None, kind: RecordKind | None = None) -> LegibleRecords:
        return LegibleRecords(self.list(validator, kind))

    def delete(self, record: Record) -> None:
        self._records.pop(record.object_name, None)


def record(
    kind: RecordKind,
    identifier: str,
    started: datetime,
    status: RecordStatus = RecordStatus.COMPLETED,
    locations: tuple[str, ...] = (),
    **details: JsonValue,
) -> Record:
    """A record of validator `acme`."""
    return Record(
        kind=kind,
        identifier=identifier,
        validator="acme",
        status=status,
        phase="completed",
        started=started,
        finished=started + timedelta(minutes=1),
        locations=locations,
        details=details,
    )


def captured(
    kind: RecordKind, started: datetime, *locations: str, status: RecordStatus = RecordStatus.COMPLETED
) -> Record:
    """A capture that started then and is at these places."""
    return record(kind, capture_id(started), started, status, locations)
