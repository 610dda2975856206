"""A set in the bucket whose manifest somebody deleted: no leftover of a killed run, and nothing that counts."""

from dataclasses import replace
from typing import cast

import pytest

from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.model.errors import EndedError, UnprovenError
from catalyx_dr.model.proofs import Verification
from catalyx_dr.model.record import Record, RecordKind
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.verify import verify
from tests.fixtures_bucket import S3Server
from tests.fixtures_identity import MemoryCluster
from tests.fixtures_validator import MemoryRecords, Protected


@pytest.fixture
def streaming(protected_in_bucket: Protected) -> Protected:
    """A validator without a volume, with one set in the bucket."""
    spec = protected_in_bucket.spec.model_copy(update={"verification": Verification(cron="0 3 * * 0")})
    streaming = replace(protected_in_bucket, spec=spec).declared(volume=None)
    _taken(streaming)
    return streaming


def _taken(protected: Protected) -> Record:
    record = back_up(protected.spec, protected.surroundings)
    protected.clock.next_day()
    return record


def _manifest_deleted(protected: Protected, set_id: str, s3_server: S3Server) -> None:
    """As people and lifecycle rules do it: older versions stay."""
    bucket = protected.bucket_sets
    s3_server.client().delete_object(Bucket=bucket.store.at.name, Key=bucket.key(set_id, "manifest.json"))


def _manifest_restored(protected: Protected, set_id: str, s3_server: S3Server) -> None:
    bucket, client = protected.bucket_sets, s3_server.client()
    found = client.list_object_versions(Bucket=bucket.store.at.name, Prefix=bucket.key(set_id, "manifest.json"))
    for marker in found["DeleteMarkers"]:
        client.delete_object(Bucket=bucket.store.at.name, Key=marker["Key"], VersionId=marker["VersionId"])


def _record(protected: Protected, set_id: str) -> Record:
    record = protected.surroundings.records.find(RecordKind.BACKUP_SET, "validator-1", set_id)
    assert record is not None
    return record


def _verify(protected: Protected, cluster: MemoryCluster) -> Record:
    return verify(protected.spec, protected.surroundings, cast("Cluster", cluster))


def test_the_next_backup_leaves_it_and_tells_the_way_out(streaming: Protected, s3_server: S3Server) -> None:
    (record,) = streaming.records
    lost = record.identifier
    _manifest_deleted(streaming, lost, s3_server)
    objects = streaming.bucket_sets.listed()[lost]

    told = _taken(streaming).message

    assert streaming.bucket_sets.listed()[lost] == objects
    assert f"attention: set {lost} in the bucket counts for nothing: its manifest is not there" in told
    assert f"restore the older version of validator-1/sets/{lost}/manifest.json" in told
    assert not _record(streaming, lost).is_sound_in("bucket")


def test_it_is_left_too_where_its_record_is_damaged(streaming: Protected, s3_server: S3Server) -> None:
    (record,) = streaming.records
    _manifest_deleted(streaming, record.identifier, s3_server)
    cast("MemoryRecords", streaming.surroundings.records).damaged.add(record.object_name)

    told = _taken(streaming).message

    assert f"attention: set {record.identifier} in the bucket counts for nothing" in told
    assert record.identifier in streaming.bucket_sets.listed()


@pytest.mark.parametrize("first", ["verification", "backup"])
def test_it_is_a_set_again_with_its_manifest(
    streaming: Protected, s3_server: S3Server, memory_cluster: MemoryCluster, first: str
) -> None:
    (record,) = streaming.records
    lost = record.identifier
    _manifest_deleted(streaming, lost, s3_server)
    for _ in range(2):
        with pytest.raises(UnprovenError, match=f"headless: bucket {lost}: its manifest is not there"):
            _verify(streaming, memory_cluster)
        _taken(streaming)
    _manifest_restored(streaming, lost, s3_server)

    if first == "backup":
        _taken(streaming)
        assert lost not in streaming.bucket_sets.listed()  # keep: 2, and two newer ones are proven
        return
    _verify(streaming, memory_cluster)

    assert _record(streaming, lost).is_sound_in("bucket")
    assert lost in [manifest.set_id for manifest in streaming.bucket_sets.published()]


def test_the_volume_writes_it_again(
    protected_in_bucket: Protected, s3_server: S3Server, memory_cluster: MemoryCluster
) -> None:
    spec = protected_in_bucket.spec.model_copy(update={"verification": Verification(cron="0 3 * * 0")})
    protected = replace(protected_in_bucket, spec=spec)
    lost = _taken(protected).identifier
    _manifest_deleted(protected, lost, s3_server)
    before = _etags(protected, lost)
    with pytest.raises(UnprovenError, match="headless"):
        _verify(protected, memory_cluster)

    _taken(protected)

    assert before.items() < _etags(protected, lost).items()
    assert _record(protected, lost).is_sound_in("bucket")
    assert lost in protected.whole_in_bucket()
    _verify(protected, memory_cluster)


def _etags(protected: Protected, set_id: str) -> dict[str, str]:
    bucket = protected.bucket_sets
    return {one.key: one.etag for one in bucket.store.objects(bucket.key(set_id, ""))}


def test_what_retention_was_removing_when_it_was_ended_goes(
    streaming: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    (record,) = streaming.records
    _taken(streaming)

    def ended(_store: BucketStore, _folder: str) -> bool:
        raise EndedError("ended by SIGTERM")

    with monkeypatch.context() as context:
        context.setattr(BucketStore, "delete_below", ended)
        assert "ended from outside while old sets were removed" in _taken(streaming).message
    assert "manifest.json" not in streaming.bucket_sets.listed()[record.identifier]

    told = _taken(streaming).message

    assert record.identifier not in streaming.bucket_sets.listed()
    assert "attention" not in told
