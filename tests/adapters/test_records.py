"""Records as others left them in the cluster."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

from catalyx_dr.adapters.cluster import connect
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.record import Record, RecordKind, RecordStatus

pytestmark = pytest.mark.cluster
RECORD = Record(
    kind=RecordKind.BACKUP_SET,
    identifier="20260301t000000z",
    validator="acme",
    status=RecordStatus.COMPLETED,
    phase="completed",
    started=datetime(2026, 3, 1, tzinfo=UTC),
)
OTHER = RECORD.model_copy(update={"identifier": "20260302t000000z"})


@pytest.fixture
def records(kubeconfig: Path, namespace: str) -> Iterator[ClusterRecords]:
    cluster = connect(namespace, str(kubeconfig))
    yield ClusterRecords(cluster)
    cluster.client.close()


def test_a_record_of_a_later_version_is_read(records: ClusterRecords, client: Client, namespace: str) -> None:
    records.save(RECORD)
    later = json.loads(RECORD.model_dump_json()) | {"newField": 1}
    client.patch(ConfigMap, RECORD.object_name, {"data": {"record.json": json.dumps(later)}}, namespace=namespace)
    assert records.list("acme") == [RECORD]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (RECORD.model_dump_json()[:-20], "is no record"),
        (RECORD.model_dump_json().replace("backup-set", "backup-sets"), "is no record"),
        (RECORD.model_dump_json().replace("2026-", "9999-"), "is no record"),
        (OTHER.model_dump_json(), "is the record of backup-set acme/20260302t000000z"),
    ],
)
def test_what_is_no_record_is_named_with_the_way_out_and_hides_no_other(
    records: ClusterRecords, client: Client, namespace: str, content: str, what: str
) -> None:
    for one in (RECORD, OTHER):
        records.save(one)
    client.patch(ConfigMap, RECORD.object_name, {"data": {"record.json": content}}, namespace=namespace)
    for read in (lambda: records.list("acme"), lambda: records.find(RecordKind.BACKUP_SET, "acme", RECORD.identifier)):
        with pytest.raises(UnprovenError, match=f"ConfigMap {namespace}/{RECORD.object_name} {what}.* delete it"):
            read()
    found = records.legible("acme")
    assert found.records == [OTHER]
    assert list(found.faults) == [RECORD.object_name]


def test_other_config_maps_are_passed_over(records: ClusterRecords, client: Client, namespace: str) -> None:
    client.create(ConfigMap(metadata=ObjectMeta(name="other", namespace=namespace), data={"record.json": "{"}))
    assert records.list() == []
