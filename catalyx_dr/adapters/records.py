"""Where records are kept: labelled ConfigMaps in the validator's namespace."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import ValidationError

from catalyx_dr.adapters.cluster import FIELD_MANAGER, MANAGED_BY, RECORD_LABEL, VALIDATOR_LABEL, Cluster, labels
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.record import Record, RecordKind, object_name

_DATA_KEY = "record.json"


@dataclass(frozen=True)
class LegibleRecords:
    """Records, newest first, and what is wrong with ConfigMaps that should hold one, by their names.

    For whatever only looks, and for captures: none fails because the index of others is damaged.
    """

    records: list[Record]
    faults: Mapping[str, str] = field(default_factory=dict)


class RecordStore(Protocol):
    """Keeps one record for each run."""

    def save(self, record: Record) -> None:
        """Keep `record`, in place of an earlier one of the same kind, validator and identifier."""

    def find(self, kind: RecordKind, validator: str, identifier: str) -> Record | None:
        """One record, or None; raises UnprovenError when it is damaged."""

    def list(self, validator: str | None = None, kind: RecordKind | None = None) -> list[Record]:
        """Records, newest first; raises UnprovenError when one is damaged, as a recovery wants it."""

    def legible(self, validator: str | None = None, kind: RecordKind | None = None) -> LegibleRecords:
        """Those that can be read."""

    def delete(self, record: Record) -> None:
        """Forget `record`; one that is gone already is no error."""


class ClusterRecords:
    """Records in a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def save(self, record: Record) -> None:
        """Keep `record` as a ConfigMap of its deterministic name."""
        self._cluster.save_config_map(
            record.object_name,
            {_DATA_KEY: record.model_dump_json()},
            labels(record.validator, **{RECORD_LABEL: record.kind}),
        )

    def find(self, kind: RecordKind, validator: str, identifier: str) -> Record | None:
        """Read one record."""
        name = object_name(kind, validator, identifier)
        data = self._cluster.config_map(name)
        return self._read(name, data) if data is not None else None

    def list(self, validator: str | None = None, kind: RecordKind | None = None) -> list[Record]:
        """Read the records of one validator or kind, or all of the namespace."""
        found = self.legible(validator, kind)
        for fault in found.faults.values():
            raise UnprovenError(fault)
        return found.records

    def legible(self, validator: str | None = None, kind: RecordKind | None = None) -> LegibleRecords:
        """The same; what is damaged is told."""
        selector = {MANAGED_BY: FIELD_MANAGER}
        if validator is not None:
            selector[VALIDATOR_LABEL] = validator
        if kind is not None:
            selector[RECORD_LABEL] = kind
        records, faults = [], {}
        for name, data in self._cluster.config_maps(selector).items():
            if _DATA_KEY not in data:
                continue
            try:
                records.append(self._read(name, data))
            except UnprovenError as error:
                faults[name] = str(error)
        return LegibleRecords(newest_first(records), faults)

    def _read(self, name: str, data: Mapping[str, str]) -> Record:
        try:
            record = Record.model_validate_json(data.get(_DATA_KEY, ""))
        except ValidationError as error:
            raise self._damaged(name, f"is no record ({error.error_count()} faults)") from None
        if record.object_name != name:
            raise self._damaged(name, f"is the record of {record.kind} {record.validator}/{record.identifier}")
        return record

    def _damaged(self, name: str, what: str) -> UnprovenError:
        return UnprovenError(
            f"ConfigMap {self._cluster.namespace}/{name} {what}; delete it: the capture itself is not touched"
        )

    def delete(self, record: Record) -> None:
        """Delete the ConfigMap."""
        self._cluster.delete_config_map(record.object_name)


def legible_one(records: RecordStore, kind: RecordKind, validator: str, identifier: str) -> Record | None:
    """One record; None when there is none, or when it is damaged, which whoever lists them tells."""
    try:
        return records.find(kind, validator, identifier)
    except UnprovenError:
        return None


def newest_first(records: Iterable[Record]) -> list[Record]:
    """Order in which history is shown and captures are chosen."""
    return sorted(records, key=lambda record: (record.started, record.identifier), reverse=True)
