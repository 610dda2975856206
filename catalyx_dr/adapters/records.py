"""Where records are kept: labelled ConfigMaps in the validator's namespace."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from pydantic import ValidationError

from catalyx_dr.adapters.cluster import FIELD_MANAGER, MANAGED_BY, RECORD_LABEL, VALIDATOR_LABEL, Cluster, labels
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.record import Record, RecordKind, object_name

_DATA_KEY = "record.json"


class RecordStore(Protocol):
    """Keeps one record for each run."""

    def save(self, record: Record) -> None:
        """Keep `record`, in place of an earlier one of the same kind, validator and identifier."""

    def find(self, kind: RecordKind, validator: str, identifier: str) -> Record | None:
        """One record, or None."""

    def list(self, validator: str | None = None, kind: RecordKind | None = None) -> list[Record]:
        """Records, newest first."""

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
        selector = {MANAGED_BY: FIELD_MANAGER}
        if validator is not None:
            selector[VALIDATOR_LABEL] = validator
        if kind is not None:
            selector[RECORD_LABEL] = kind
        found = self._cluster.config_maps(selector).items()
        return newest_first(self._read(name, data) for name, data in found if _DATA_KEY in data)

    def _read(self, name: str, data: Mapping[str, str]) -> Record:
        try:
            return Record.model_validate_json(data.get(_DATA_KEY, ""))
        except ValidationError as error:
            raise UnprovenError(
                f"ConfigMap {self._cluster.namespace}/{name} is no record ({error.error_count()} faults); delete it: "
                "the capture itself is not touched"
            ) from None

    def delete(self, record: Record) -> None:
        """Delete the ConfigMap."""
        self._cluster.delete_config_map(record.object_name)


def legible(records: RecordStore, validator: str, kind: RecordKind) -> tuple[list[Record], list[str]]:
    """Records, or none and what is wrong with one of them: no capture fails because the index of others is damaged."""
    try:
        return records.list(validator, kind), []
    except UnprovenError as error:
        return [], [str(error)]


def newest_first(records: Iterable[Record]) -> list[Record]:
    """Order in which history is shown and captures are chosen."""
    return sorted(records, key=lambda record: (record.started, record.identifier), reverse=True)
