"""Sets that are on the volume alone: the next run sends them, newest first, and takes its own set in any case."""

from collections.abc import Iterator

import pytest

from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.errors import UnreachableError
from catalyx_dr.model.record import REBUILT, Record, RecordKind, RecordStatus
from catalyx_dr.operations import late_export
from catalyx_dr.operations.backup import back_up
from tests.fixtures_bucket import EVERY_STORE
from tests.fixtures_validator import Protected


def _record(protected: Protected, set_id: str) -> Record:
    found = protected.surroundings.records.find(RecordKind.BACKUP_SET, "validator-1", set_id)
    assert found is not None
    return found


def _taken(protected: Protected, count: int) -> Iterator[str]:
    for _ in range(count):
        yield back_up(protected.spec, protected.surroundings).identifier
        protected.clock.next_day()


@pytest.fixture
def left_alone(protected_in_bucket: Protected, monkeypatch: pytest.MonkeyPatch) -> str:
    """A set whose export failed at its end."""

    def away(*_arguments: object) -> None:
        raise UnreachableError("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(BucketSets, "publish", away)
        with pytest.raises(UnreachableError, match="is proven on the volume, but not in the bucket"):
            back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)
    (set_id,) = protected_in_bucket.set_ids
    assert _record(protected_in_bucket, set_id).status is RecordStatus.FAILED
    protected_in_bucket.clock.next_day()
    return set_id


def test_next_run_sends_what_an_outage_kept_on_the_volume(protected_in_bucket: Protected, left_alone: str) -> None:
    second = back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)

    assert protected_in_bucket.whole_in_bucket() == [left_alone, second.identifier]
    late = _record(protected_in_bucket, left_alone)
    assert (late.status, late.locations) == (RecordStatus.COMPLETED, ("volume", "bucket"))
    assert late.finished is not None
    assert late.finished < second.started
    assert "sent to the bucket by a later run; its own: set" in late.message
    assert REBUILT not in late.details


def test_bucket_that_was_added_gets_what_its_retention_would_keep(
    protected: Protected, protected_in_bucket: Protected, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second, third = _taken(protected, 3)
    forgotten = _record(protected, third)
    protected.surroundings.records.delete(forgotten)
    capfd.readouterr()

    newest = back_up(protected_in_bucket.spec, protected_in_bucket.surroundings).identifier

    told = capfd.readouterr().out
    assert f"send set {first}" not in told
    assert 0 < told.index(f"send set {third}") < told.index(f"send set {second}") < told.index("dump validator-app")
    assert protected_in_bucket.whole_in_bucket() == [third, newest]
    assert _record(protected, third).locations == ("volume", "bucket")
    assert _record(protected, third).details[REBUILT] is True
    assert _record(protected, second).locations == ("volume",)


def test_damaged_set_is_not_sent_and_counts_for_nothing(protected_in_bucket: Protected, left_alone: str) -> None:
    damaged = protected_in_bucket.sets_folder / left_alone / "participant" / "toc.dat"
    damaged.write_bytes(damaged.read_bytes()[:-1])

    record = back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)

    assert f"attention: set {left_alone} is still on the volume alone" in record.message
    assert protected_in_bucket.whole_in_bucket() == [record.identifier]
    # Marked as damaged, and so let go when a newer one was proven.
    assert protected_in_bucket.set_ids == [record.identifier]


def test_set_that_cannot_be_sent_does_not_fail_the_new_one(
    protected_in_bucket: Protected, left_alone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(manifest: Manifest, _folder: object, bucket: BucketSets, *_more: object) -> None:
        bucket.store.put(bucket.key(manifest.set_id, "validator-app.tar.0001.age"), b"half")
        raise UnreachableError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(late_export, "export", cut_off)
        record = back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)

    assert f"attention: set {left_alone} is still on the volume alone: cut off" in record.message
    assert protected_in_bucket.whole_in_bucket() == [record.identifier]
    protected_in_bucket.clock.next_day()
    third = back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)
    assert protected_in_bucket.whole_in_bucket() == [record.identifier, third.identifier]


@EVERY_STORE
def test_upload_that_a_killed_pod_left_is_dropped(protected_in_bucket: Protected) -> None:
    store = protected_in_bucket.bucket_sets.store
    key = f"{protected_in_bucket.spec.object_prefix}sets/20200101t000000z/participant.tar.0001.age"
    upload = store.client.create_multipart_upload(Bucket=store.at.name, Key=key)
    store.client.upload_part(
        Bucket=store.at.name, Key=key, UploadId=upload["UploadId"], PartNumber=1, Body=bytes(6 * 1024 * 1024)
    )
    protected_in_bucket.clock.next_day()

    back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)

    assert not store.client.list_multipart_uploads(Bucket=store.at.name).get("Uploads")
