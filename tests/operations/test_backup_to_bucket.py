"""Backup sets in the bucket: encrypted, the manifest last, nothing listed that is not whole."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any, Literal

import pytest

from catalyx_dr.adapters.archives import TarStream
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.model.backup_set import Manifest, StoredFile
from catalyx_dr.model.bucket import BackupBucket, ObjectLock
from catalyx_dr.model.errors import CatalyxDrError, MissingError, RefusedError, UnreachableError
from catalyx_dr.model.record import RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.progress import Progress
from tests.fixtures_bucket import AND_LIKE_AWS, EVERY_STORE, LIKE_AWS, S3Server, declared_bucket
from tests.fixtures_validator import Protected
from tests.odd_store import lost, odd_store


def _published(protected: Protected) -> list[str]:
    return sorted(manifest.set_id for manifest in protected.bucket_sets.published())


@AND_LIKE_AWS
def test_set_is_on_the_volume_and_encrypted_in_the_bucket(protected_in_bucket: Protected) -> None:
    record = back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)

    sets = protected_in_bucket.bucket_sets
    (manifest,) = sets.published()
    assert record.locations == ("volume", "bucket")
    assert protected_in_bucket.set_ids == [record.identifier] == [manifest.set_id]
    assert protected_in_bucket.spec.encryption is not None
    assert manifest.recipients == protected_in_bucket.spec.encryption.recipients
    for capture in manifest.databases:
        (segment,) = capture.segments
        assert segment.path == f"{capture.role}.tar.0001.age"
        key = f"validator-1/sets/{manifest.set_id}/{segment.path}"
        assert sets.store.beginning(key, 21) == b"age-encryption.org/v1"


@AND_LIKE_AWS
def test_bucket_only_needs_no_volume(protected_in_bucket: Protected) -> None:
    only = protected_in_bucket.declared(volume=None)
    only.surroundings.volume.rmdir()

    record = back_up(only.spec, only.surroundings)

    assert record.locations == ("bucket",)
    assert _published(only) == [record.identifier]
    assert list(only.surroundings.scratch.iterdir()) == []


def test_retention_is_each_destinations_own(protected_in_bucket: Protected) -> None:
    taken = []
    for _ in range(4):
        taken.append(back_up(protected_in_bucket.spec, protected_in_bucket.surroundings).identifier)
        protected_in_bucket.clock.next_day()

    assert protected_in_bucket.set_ids == taken[1:]
    assert _published(protected_in_bucket) == taken[2:]
    locations = {record.identifier: record.locations for record in protected_in_bucket.records}
    assert locations == {taken[1]: ("volume",), taken[2]: ("volume", "bucket"), taken[3]: ("volume", "bucket")}


@AND_LIKE_AWS
def test_removed_set_leaves_no_version_behind(protected_in_bucket: Protected) -> None:
    first = back_up(protected_in_bucket.spec, protected_in_bucket.surroundings).identifier
    sets = protected_in_bucket.bucket_sets

    assert sets.remove(first)

    found = sets.store.client.list_object_versions(Bucket=sets.store.at.name)
    assert not found.get("Versions")
    assert not found.get("DeleteMarkers")


def test_store_down_is_said_before_the_dump(protected: Protected, bucket: BackupBucket) -> None:
    nowhere = protected.declared(bucket=bucket.model_copy(update={"endpoint": "http://127.0.0.1:1"}))

    with pytest.raises(UnreachableError, match=r"at http://127\.0\.0\.1:1"):
        back_up(nowhere.spec, nowhere.surroundings)

    assert [record.phase for record in nowhere.records] == ["check"]
    assert nowhere.set_ids == []


def test_store_lost_during_export_keeps_the_volumes_set(
    protected_in_bucket: Protected, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = BucketSets.publish

    def lost(self: BucketSets, manifest: Manifest) -> None:
        s3_server.stop()
        real(self, manifest)

    monkeypatch.setattr(BucketSets, "publish", lost)
    try:
        with pytest.raises(UnreachableError, match="is proven on the volume, but not in the bucket"):
            back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)
    finally:
        s3_server.start()
    monkeypatch.undo()

    assert len(protected_in_bucket.set_ids) == 1
    assert _published(protected_in_bucket) == []
    assert [(r.status, r.phase) for r in protected_in_bucket.records] == [(RecordStatus.FAILED, "export to the bucket")]


@EVERY_STORE
def test_run_waits_for_a_store_that_is_away_for_a_while(
    protected_in_bucket: Protected, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, note, heard = BucketSets.publish, Progress.note, list[str]()

    def lost(self: BucketSets, manifest: Manifest) -> None:
        s3_server.stop()
        publish(self, manifest)

    def back_when_waited_for(self: Progress, message: str) -> None:
        heard.append(message)
        if "the upload waits, for 2m at the most" in message:
            s3_server.start()
        note(self, message)

    monkeypatch.setattr(BucketSets, "publish", lost)
    monkeypatch.setattr(Progress, "note", back_when_waited_for)
    patient = protected_in_bucket.spec.backup.bucket.model_copy(update={"outage_patience": timedelta(minutes=2)})  # type: ignore[union-attr]
    record = back_up(protected_in_bucket.declared(bucket=patient).spec, protected_in_bucket.surroundings)

    assert _published(protected_in_bucket) == [record.identifier]
    assert any("answers again after" in message for message in heard)


@EVERY_STORE
def test_sets_are_whole_whatever_becomes_of_answers(
    protected_in_bucket: Protected, bucket: BackupBucket, s3_server: S3Server
) -> None:
    with odd_store(s3_server) as odd:
        protected = protected_in_bucket.declared(bucket=bucket.model_copy(update={"endpoint": odd.endpoint}))
        for _ in range(3):
            odd.wrong = {kind: [lost] for kind in ("create", "complete", "put", "delete")}
            record = back_up(protected.spec, protected.surroundings)
            protected.clock.next_day()

            assert "attention" not in record.message

    assert odd.wrong == {"create": [], "complete": [], "put": [], "delete": []}
    assert protected_in_bucket.whole_in_bucket() == protected_in_bucket.set_ids[-2:]


def test_failed_export_is_no_set_and_leaves_only_what_can_be_gone_on_with(
    protected_in_bucket: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = BucketSets.publish

    def broken(self: BucketSets, manifest: Manifest) -> None:
        real(self, manifest)
        raise UnreachableError("the answer was lost")

    monkeypatch.setattr(BucketSets, "publish", broken)
    only = protected_in_bucket.declared(volume=None)
    with pytest.raises(UnreachableError):
        back_up(only.spec, only.surroundings)
    assert only.bucket_sets.store.objects("") == []

    with pytest.raises(UnreachableError):
        back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)
    names = [item.key.rsplit("/", 1)[1] for item in protected_in_bucket.bucket_sets.store.objects("")]
    assert names == ["participant.tar.0001.age", "validator-app.tar.0001.age"]


def test_damage_while_packing_is_no_short_archive(
    protected_in_bucket: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losing_a_file(folder: Path, files: Iterable[StoredFile]) -> TarStream:
        def lost() -> Iterator[StoredFile]:
            for file in files:
                (folder / file.path).unlink()
                yield file

        return TarStream(folder, lost())

    monkeypatch.setattr("catalyx_dr.operations.export.TarStream", losing_a_file)
    with pytest.raises(CatalyxDrError, match="No such file"):
        back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)

    assert _published(protected_in_bucket) == []
    assert protected_in_bucket.bucket_sets.store.objects("") == []


@EVERY_STORE
@pytest.mark.parametrize(
    ("key", "message"), [("secret-access-key", "SignatureDoesNotMatch"), ("access-key-id", "correct the access key")]
)
def test_wrong_credentials_are_refused_without_showing_them(
    protected_in_bucket: Protected, key: str, message: str
) -> None:
    protected_in_bucket.surroundings.secrets.path("backup-store", key).write_text("wrong-value")

    with pytest.raises(RefusedError, match=message) as caught:
        back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)

    assert "wrong-value" not in str(caught.value)


@AND_LIKE_AWS
def test_missing_bucket_is_refused(protected: Protected, s3_server: S3Server) -> None:
    declared = protected.declared(bucket=declared_bucket(s3_server, "never-made"))

    with pytest.raises(MissingError, match="create the bucket, or correct its name"):
        back_up(declared.spec, declared.surroundings)


def test_no_recipients_no_export(protected_in_bucket: Protected) -> None:
    spec = protected_in_bucket.spec.model_copy(update={"encryption": None})

    with pytest.raises(RefusedError, match=r"give encryption.recipients"):
        back_up(spec, protected_in_bucket.surroundings)


@AND_LIKE_AWS
@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_retention_waits_for_the_lock(
    protected: Protected, s3_server: S3Server, mode: Literal["governance", "compliance"]
) -> None:
    name = f"locked-{mode}"
    s3_server.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    lock = ObjectLock(mode=mode, retention=timedelta(days=2))
    declared = declared_bucket(s3_server, name, object_lock=lock, retention=Retention(keep=1))
    locked = protected.declared(bucket=declared)
    taken = []
    for _ in range(2):
        taken.append(back_up(locked.spec, locked.surroundings).identifier)
        locked.clock.next_day()

    assert _published(locked) == taken
    assert locked.bucket_sets.remove(taken[0]) is False
    assert _published(locked) == taken


@LIKE_AWS
def test_what_a_legal_hold_keeps_of_a_removed_set_is_no_set_and_goes_when_it_ends(
    protected: Protected, s3_server: S3Server
) -> None:
    name, client = "held", s3_server.client()
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    held = protected.declared(volume=None, bucket=declared_bucket(s3_server, name, retention=Retention(keep=1)))
    first = back_up(held.spec, held.surroundings).identifier
    key = held.bucket_sets.key(first, "participant.dump.0001.age")
    client.put_object_legal_hold(Bucket=name, Key=key, LegalHold={"Status": "ON"})

    for _ in range(2):
        held.clock.next_day()
        newest = back_up(held.spec, held.surroundings)
        assert "attention" not in newest.message
        assert [record.identifier for record in held.records] == [newest.identifier]
        assert "manifest.json" not in held.bucket_sets.listed()[first]

    client.put_object_legal_hold(Bucket=name, Key=key, LegalHold={"Status": "OFF"})
    held.clock.next_day()
    newest = back_up(held.spec, held.surroundings)
    assert list(held.bucket_sets.listed()) == [newest.identifier]


@AND_LIKE_AWS
def test_object_of_several_parts_is_what_was_written(protected_in_bucket: Protected) -> None:
    store = protected_in_bucket.bucket_sets.store
    written = os.urandom(4 * 5 * 1024 * 1024 + 3)

    with store.writing("large", Pace(None), Event()) as upload:
        for begin in range(0, len(written), 700_001):
            upload.write(written[begin : begin + 700_001])

    with closing(store.open("large")) as body:
        assert body.read() == written
    stored = StoredFile(path="large", bytes=len(written), sha256=hashlib.sha256(written).hexdigest())
    assert upload.measure.as_stored("large") == stored
    assert store.look_at("large", Event()).etag.endswith('-5"')


@AND_LIKE_AWS
@pytest.mark.parametrize("size", [1000, 6_000_000])
def test_bytes_that_change_on_their_way_are_noticed(protected_in_bucket: Protected, size: int) -> None:
    store = protected_in_bucket.bucket_sets.store

    def change(request: Any, **_: Any) -> None:
        if request.method == "PUT":
            request.body = request.body.read()[:-1] + b"x"

    store.client.meta.events.register("before-send.s3", change)

    def write() -> None:
        with store.writing("a/key", Pace(None), Event()) as upload:
            upload.write(bytes(size))

    with pytest.raises(CatalyxDrError, match="a/key"):
        write()
    with pytest.raises(CatalyxDrError, match="a/key"):
        store.put("a/key", bytes(size))
