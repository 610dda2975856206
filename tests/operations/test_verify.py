"""Verification: every kind of damage is noticed in its place, marked, recorded, and never chosen by anything later."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest

from catalyx_dr.adapters.bucket_identities import BucketIdentities
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.adapters.volume_store import VolumeStore
from catalyx_dr.cli.ending import ended_by_signal
from catalyx_dr.model.api_access import ValidatorApi
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.bucket import ObjectLock
from catalyx_dr.model.errors import EndedError, RefusedError, UnprovenError
from catalyx_dr.model.proofs import Verification
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.sealed import sealed
from catalyx_dr.model.validator_spec import IdentityDumps
from catalyx_dr.operations import volume_check
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.dump_identities import dump_identities
from catalyx_dr.operations.restore_source import VolumeSource
from catalyx_dr.operations.verify import verify
from catalyx_dr.rules.recovery import choose
from tests.fixtures_bucket import EVERY_STORE, LIKE_AWS, S3Server, declared_bucket
from tests.fixtures_identity import MemoryCluster, ValidatorApp
from tests.fixtures_validator import MemoryRecords, Protected


@dataclass
class Verified:
    """A validator with two sets on volume and in the bucket, and what is needed to verify them."""

    protected: Protected
    cluster: MemoryCluster

    def run(self) -> Record:
        """A verification that finds nothing."""
        return verify(self.protected.spec, self.protected.surroundings, cast("Cluster", self.cluster))

    def faults(self) -> list[str]:
        """Faults that a verification finds and keeps in its record."""
        with pytest.raises(UnprovenError):
            self.run()
        found = self.newest.details["faults"]
        assert isinstance(found, list)
        assert (self.newest.status, self.newest.kind) == (RecordStatus.FAILED, RecordKind.VERIFICATION)
        return [str(fault) for fault in found]

    @property
    def newest(self) -> Record:
        return self.protected.surroundings.records.list(kind=RecordKind.VERIFICATION)[0]

    def record(self, identifier: str, kind: RecordKind = RecordKind.BACKUP_SET) -> Record:
        found = self.protected.surroundings.records.find(kind, "validator-1", identifier)
        assert found is not None
        return found

    @property
    def ids(self) -> list[str]:
        """Sets, newest first."""
        return [record.identifier for record in self.protected.surroundings.records.list(kind=RecordKind.BACKUP_SET)]

    @property
    def sets(self) -> BucketSets:
        assert self.protected.spec.backup is not None
        assert self.protected.spec.backup.bucket is not None
        store = BucketStore.reach(self.protected.spec.backup.bucket, self.protected.surroundings.secrets)
        return BucketSets(store, self.protected.spec)

    @property
    def dumps(self) -> BucketIdentities:
        return BucketIdentities(self.sets.store, self.protected.spec)

    @property
    def volume(self) -> VolumeStore:
        return self.protected.volume

    def file(self, set_id: str, role: str = "participant") -> Path:
        """The largest file of a dump."""
        return max((self.volume.folder(set_id) / role).iterdir(), key=lambda path: path.stat().st_size)


def _verified(protected: Protected, cluster: MemoryCluster) -> Verified:
    spec = protected.spec.model_copy(update={"verification": Verification(cron="0 3 * * 0")})
    protected = replace(protected, spec=spec)
    for _ in range(2):
        back_up(protected.spec, protected.surroundings)
        protected.clock.next_day()
    return Verified(protected, cluster)


@pytest.fixture
def on_volume(protected: Protected, memory_cluster: MemoryCluster) -> Verified:
    return _verified(protected, memory_cluster)


@pytest.fixture
def verified(protected_in_bucket: Protected, memory_cluster: MemoryCluster) -> Verified:
    return _verified(protected_in_bucket, memory_cluster)


def _flip(path: Path, position: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(position * (len(content) - 1))] ^= 1
    path.write_bytes(content)


def test_sound_sets_are_read_in_both_places_and_told(verified: Verified) -> None:
    record = verified.run()

    assert record.status is RecordStatus.COMPLETED
    checked = record.details["checked"]
    assert isinstance(checked, dict)
    manifests = {manifest.set_id: manifest for manifest in verified.volume.published()}
    assert checked["backup-set volume"] == {"captures": 2, "bytes": sum(m.bytes for m in manifests.values())}
    stored = [one for manifest in verified.sets.published() for c in manifest.databases for one in c.segments]
    assert checked["backup-set bucket"] == {"captures": 2, "bytes": sum(one.bytes for one in stored)}
    assert (record.details["faults"], record.details["attention"]) == ([], [])


@pytest.mark.parametrize("position", [0, 0.5, 1])
@pytest.mark.parametrize("role", ["validator-app", "participant"])
def test_one_changed_byte_on_the_volume_is_found(on_volume: Verified, role: str, position: float) -> None:
    newest, older = on_volume.ids
    victim = on_volume.file(newest, role)
    _flip(victim, position)

    (fault,) = on_volume.faults()

    assert fault.startswith(f"damaged: volume {newest}: {role}/{victim.name} has changed")
    assert on_volume.record(newest).damaged.keys() == {"volume"}
    assert on_volume.record(older).damaged == {}
    source = VolumeSource(on_volume.volume)
    assert choose(source.captures(), "latest").identifier == older
    with pytest.raises(RefusedError, match=f"{newest} is not proven"):
        choose(source.captures(), newest)


def _manifest(verified: Verified, set_id: str) -> Path:
    return verified.volume.folder(set_id) / "manifest.json"


def _rows(verified: Verified, set_id: str, before: int, after: int) -> None:
    """Change a count in the manifest, which no file's checksum would show."""
    path = _manifest(verified, set_id)
    path.write_text(path.read_text().replace(f": {before}", f": {after}"))


def _replaced(path: Path, by: Callable[[Path], object]) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    by(path)


def _appended(path: Path, content: bytes) -> None:
    path.write_bytes(path.read_bytes() + content)


def _not_utf8(v: Verified, one: str) -> None:
    Path(os.fsdecode(os.fsencode(v.file(one).parent) + b"/\xff")).write_bytes(b"x")


def _sealed_anew(path: Path, before: str, after: str) -> None:
    document = json.loads(path.read_text().replace(before, after))
    del document["seal"]
    path.write_bytes(sealed(document))


DAMAGE: list[tuple[Callable[[Verified, str], object], str]] = [
    (lambda v, one: _replaced(v.file(one), os.mkfifo), "it is no regular file"),
    (lambda v, one: _replaced(v.file(one), lambda path: path.symlink_to("/dev/zero")), "it is no regular file"),
    (lambda v, one: _replaced(_manifest(v, one), os.mkfifo), "manifest .* cannot be read: it is no regular file"),
    (lambda v, one: _appended(_manifest(v, one), b"\n"), "manifest .* is damaged"),
    (lambda v, one: os.truncate(_manifest(v, one), 1 << 40), "manifest .* is damaged"),
    (lambda v, one: _manifest(v, one).write_bytes(b"[" * 100_000), "manifest .* is damaged"),
    (
        lambda v, one: _sealed_anew(_manifest(v, one), '"serverVersion": "', '"serverVersion": "x'),
        "manifest .* is damaged",
    ),
    (lambda v, one: _sealed_anew(_manifest(v, one), '"PAR::', '"'), "manifest .* is damaged"),
    (lambda v, one: _sealed_anew(_manifest(v, one), '"validator-1"', '"\\u001b[31m"'), "manifest .* is damaged"),
    (lambda v, one: _sealed_anew(_manifest(v, one), '"started": "2', '"started": "9'), "manifest .* is damaged"),
    (
        lambda v, one: _sealed_anew(_manifest(v, one), '"serverVersion": "', '"serverVersion": "1.2.'),
        "manifest .* is damaged",
    ),
    (_not_utf8, r"participant/\\xff does not belong to it"),
    (lambda v, one: (v.volume.folder(one) / "participant.dump").touch(), "participant.dump does not belong to it"),
    (lambda v, one: v.file(one).unlink(), "is missing"),
    (lambda v, one: v.file(one).write_bytes(v.file(one).read_bytes()[:-1]), " were written"),
    (lambda v, one: (v.file(one).parent / "stray").write_text("x"), "participant/stray does not belong to it"),
    (lambda v, one: _manifest(v, one).write_text("{"), "manifest .* is damaged"),
    (lambda v, one: _rows(v, one, 3000, 3001), "manifest .* is damaged"),
    (lambda v, one: _manifest(v, one).unlink(), "it cannot be decoded: there is no backup set"),
]


@pytest.mark.parametrize(("damage", "text"), DAMAGE)
def test_what_is_wrong_on_the_volume_is_named(
    on_volume: Verified, damage: Callable[[Verified, str], object], text: str
) -> None:
    newest = on_volume.ids[0]
    damage(on_volume, newest)

    with pytest.raises(UnprovenError, match=text):
        on_volume.run()

    assert on_volume.volume.is_damaged(newest)
    assert [manifest.set_id for manifest in on_volume.volume.published()] == on_volume.ids[1:]


@pytest.mark.parametrize("by", [Path.touch, os.mkfifo, lambda path: path.symlink_to(path)])
def test_what_lies_in_the_place_of_a_set_is_damage_and_goes_with_the_next_backup(
    on_volume: Verified, by: Callable[[Path], object]
) -> None:
    newest, older = on_volume.ids
    _replaced(on_volume.volume.folder(newest), by)

    (fault,) = on_volume.faults()

    assert fault.startswith(f"damaged: volume {newest}: it cannot be decoded: manifest of backup set {newest}")
    third = back_up(on_volume.protected.spec, on_volume.protected.surroundings).identifier
    assert on_volume.protected.set_ids == [older, third]


def test_dump_that_hashes_right_and_cannot_be_decoded_is_damaged(on_volume: Verified) -> None:
    newest = on_volume.ids[0]
    victim = on_volume.file(newest)
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    document = json.loads(_manifest(on_volume, newest).read_text())
    for file in document["databases"][1]["files"]:
        if file["path"].endswith(victim.name):
            file |= {"bytes": victim.stat().st_size, "sha256": sha256(victim.read_bytes()).hexdigest()}
    del document["seal"]
    _manifest(on_volume, newest).write_bytes(sealed(document))

    forged, fault = on_volume.faults()

    assert "its manifest is not the one that its run wrote" in forged
    assert "participant cannot be decoded" in fault


def test_run_that_is_ended_while_it_decodes_blames_no_set(on_volume: Verified, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(volume_check, "decode", ended)
    with ended_by_signal(), pytest.raises(EndedError, match="SIGTERM"):
        on_volume.run()

    assert (on_volume.newest.status, on_volume.newest.phase) == (RecordStatus.FAILED, "read the volume")
    assert [on_volume.volume.is_damaged(one) for one in on_volume.ids] == [False, False]


def test_lost_set_is_struck_from_its_record_and_stays_in_the_history(on_volume: Verified) -> None:
    newest, _ = on_volume.ids
    on_volume.volume.remove(newest)

    assert on_volume.faults() == [f"lost: volume {newest}: its record names it, and it is not there"]

    record = on_volume.record(newest)
    assert (record.locations, list(record.damaged)) == ((), ["volume"])
    assert on_volume.run().status is RecordStatus.COMPLETED


def test_verification_during_a_backup_finds_nothing_wrong(verified: Verified, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    def verifying(remove: Callable[[Any, str], bool]) -> Callable[[Any, str], bool]:
        def removed(store: object, set_id: str) -> bool:
            found.append(verified.run())
            gone = remove(store, set_id)
            found.append(verified.run())
            return gone

        return removed

    for store in (VolumeStore, BucketSets):
        monkeypatch.setattr(store, "remove", verifying(store.remove))
    for _ in range(2):
        back_up(verified.protected.spec, verified.protected.surroundings)
        verified.protected.clock.next_day()

    assert [record.status for record in found] == [RecordStatus.COMPLETED] * 6  # each place keeps some
    assert not any("attention" in record.message for record in found)


def test_set_without_record_needs_a_look_but_is_no_fault(on_volume: Verified) -> None:
    newest = on_volume.ids[0]
    on_volume.protected.surroundings.records.delete(on_volume.record(newest))

    record = on_volume.run()

    assert f"{newest}: no record tells of it" in record.message


def test_retention_keeps_the_newest_sound_set_and_lets_the_damaged_go(on_volume: Verified) -> None:
    newest, older = on_volume.ids
    _flip(on_volume.file(newest), 0.5)
    on_volume.faults()
    assert on_volume.protected.spec.backup is not None
    volume = on_volume.protected.spec.backup.volume
    assert volume is not None
    keep_one = on_volume.protected.declared(volume=volume.model_copy(update={"retention": Retention(keep=2)}))

    third = back_up(keep_one.spec, keep_one.surroundings).identifier

    assert keep_one.set_ids == sorted([older, third])


def test_retention_does_not_count_a_set_that_lacks_a_file_before_anybody_looked(on_volume: Verified) -> None:
    newest, older = on_volume.ids
    on_volume.file(newest).unlink()
    assert on_volume.protected.spec.backup is not None
    volume = on_volume.protected.spec.backup.volume
    assert volume is not None
    keeping = on_volume.protected.declared(volume=volume.model_copy(update={"retention": Retention(keep=2)}))

    third = back_up(keeping.spec, keeping.surroundings).identifier

    assert keeping.set_ids == [older, third]


def test_mended_set_is_acquitted(on_volume: Verified) -> None:
    newest = on_volume.ids[0]
    victim = on_volume.file(newest)
    _flip(victim, 0.5)
    on_volume.faults()
    _flip(victim, 0.5)

    assert on_volume.run().status is RecordStatus.COMPLETED

    assert not on_volume.volume.is_damaged(newest)
    assert on_volume.record(newest).damaged == {}


def _rewrite(verified: Verified, set_id: str, change: Callable[[bytes], bytes]) -> None:
    key = verified.sets.key(set_id, "participant.tar.0001.age")
    store = verified.sets.store
    store.put(key, change(store.get(key)))


IN_BUCKET: list[tuple[Callable[[Verified, str], object], str]] = [
    (
        lambda v, one: _rewrite(v, one, lambda old: old[:-1] + bytes([old[-1] ^ 1])),
        "participant.tar.0001.age has changed",
    ),
    (lambda v, one: _rewrite(v, one, lambda old: old[:-1]), " were written"),
    (lambda v, one: _rewrite(v, one, lambda old: old + b"x"), "has more than the "),
    (lambda v, one: v.sets.store.delete(v.sets.key(one, "participant.tar.0001.age")), "its manifest names it"),
    (lambda v, one: v.sets.store.put(v.sets.key(one, "manifest.json"), b"{}"), "it cannot be decoded"),
]


@EVERY_STORE
@pytest.mark.parametrize(("damage", "text"), IN_BUCKET)
def test_damage_in_the_bucket_is_found_without_any_key(
    verified: Verified, damage: Callable[[Verified, str], object], text: str
) -> None:
    newest, older = verified.ids
    damage(verified, newest)

    (fault,) = verified.faults()

    assert fault.startswith(f"damaged: bucket {newest}: ")
    assert text in fault
    assert verified.sets.is_damaged(newest)
    assert [manifest.set_id for manifest in verified.sets.published()] == [older]
    assert verified.record(newest).is_sound_in("volume")
    assert not verified.record(newest).is_sound_in("bucket")


def _forged(manifest: Manifest) -> Manifest:
    app, participant = manifest.databases
    return manifest.model_copy(update={"databases": (app, participant.model_copy(update={"row_counts": {}}))})


def test_manifest_that_somebody_sealed_anew_is_not_the_one_of_its_record(verified: Verified) -> None:
    newest, older = verified.ids
    verified.sets.publish(_forged(verified.sets.manifest(newest)))
    (verified.volume.folder(older) / "manifest.json").write_bytes(_forged(verified.volume.manifest(older)).written)

    told = "its manifest is not the one that its run wrote: restore the older version, or remove the set"
    assert sorted(verified.faults()) == [f"damaged: bucket {newest}: {told}", f"damaged: volume {older}: {told}"]


@LIKE_AWS
@pytest.mark.parametrize("name", ["manifest.json", "participant.tar.0001.age"])
def test_archived_object_is_unread_and_no_retention_takes_its_set(verified: Verified, name: str) -> None:
    newest, older = verified.ids
    store, key = verified.sets.store, verified.sets.key(older, name)
    store.client.put_object(Bucket=store.at.name, Key=key, Body=store.get(key), StorageClass="GLACIER")

    (fault,) = verified.faults()
    assert fault.startswith(f"unread: bucket {older}: could not read ")
    assert "bring it back" in fault
    third = back_up(verified.protected.spec, verified.protected.surroundings)

    if name == "manifest.json":
        assert f"{older} in the bucket counts for nothing and is left there: its manifest is archived" in third.message
        assert [one.set_id for one in verified.sets.published()] == [third.identifier, newest]
        assert older in verified.sets.listed()


def test_damaged_set_leaves_the_bucket_when_a_newer_one_is_proven(verified: Verified) -> None:
    newest, older = verified.ids
    _rewrite(verified, newest, lambda old: old[1:])
    verified.faults()

    third = back_up(verified.protected.spec, verified.protected.surroundings).identifier

    assert {item.key.split("/")[2] for item in verified.sets.store.objects("")} == {older, third}


def test_set_that_vanished_from_the_bucket_is_lost(verified: Verified) -> None:
    newest = verified.ids[0]
    verified.sets.remove(newest)

    assert verified.faults() == [f"lost: bucket {newest}: its record names it, and it is not there"]
    assert verified.record(newest).locations == ("volume",)


class _LyingStore:
    """A bucket whose listing leaves out, invents or misstates objects."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, dict[str, int]]], object]) -> None:
        real = BucketSets.listed

        def listed(sets: BucketSets) -> dict[str, dict[str, int]]:
            found = real(sets)
            change(found)
            return found

        monkeypatch.setattr(BucketSets, "listed", listed)


def test_listing_that_leaves_out_a_set_is_untrue(verified: Verified, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = verified.ids[0]
    _LyingStore(monkeypatch, lambda found: found.pop(newest))

    faults = verified.faults()

    assert f"untrue: bucket {newest}: the store does not list its manifest, though it is there" in faults
    assert len(faults) == 3
    assert verified.record(newest).damaged == {}


def test_listing_that_names_what_is_not_there_is_noticed(verified: Verified, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = verified.ids[0]
    verified.sets.store.delete(verified.sets.key(newest, "participant.tar.0001.age"))
    _LyingStore(monkeypatch, lambda found: found[newest].update({"participant.tar.0001.age": 10}))

    (fault,) = verified.faults()

    assert "participant.tar.0001.age is not there, though the store lists it" in fault


def test_listing_with_a_wrong_size_is_untrue(verified: Verified, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = verified.ids[0]
    _LyingStore(monkeypatch, lambda found: found[newest].update({"participant.tar.0001.age": 10}))

    (fault,) = verified.faults()

    assert f"untrue: bucket {newest}: the store lists participant.tar.0001.age with 10 bytes" in fault


@EVERY_STORE
def test_mark_in_a_locked_bucket_is_taken_back_by_writing_over_it(
    protected: Protected, s3_server: S3Server, memory_cluster: MemoryCluster
) -> None:
    name = "verified-and-locked"
    s3_server.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    bucket = declared_bucket(s3_server, name, object_lock=ObjectLock(retention=timedelta(days=1)))
    verified = _verified(protected.declared(bucket=bucket), memory_cluster)
    newest = verified.ids[0]
    key = verified.sets.key(newest, "participant.tar.0001.age")
    sound = verified.sets.store.get(key)
    _rewrite(verified, newest, lambda old: old[1:])
    verified.faults()
    verified.sets.store.put(key, sound)

    verified.run()

    assert not verified.sets.is_damaged(newest)
    assert [manifest.set_id for manifest in verified.sets.published()] == verified.ids


@pytest.fixture
def with_dumps(
    verified: Verified, validator_app: ValidatorApp, identity_secrets: object, memory_cluster: MemoryCluster
) -> Verified:
    """The same with two identity dumps in cluster and bucket."""
    spec = verified.protected.spec.model_copy(
        update={
            "api": ValidatorApi(url=validator_app.url),
            "identity_dump": IdentityDumps(cron="0 0 * * *", retention=Retention(keep=3)),
        }
    )
    verified.protected = replace(verified.protected, spec=spec)
    for _ in range(2):
        dump_identities(spec, verified.protected.surroundings, cast("Cluster", memory_cluster))
        verified.protected.clock.next_day()
    return verified


def _dump_ids(verified: Verified) -> list[str]:
    return [one.identifier for one in verified.protected.surroundings.records.list(kind=RecordKind.IDENTITY_DUMP)]


def test_sound_dumps_are_checked_in_both_places(with_dumps: Verified) -> None:
    checked = with_dumps.run().details["checked"]

    assert isinstance(checked, dict)
    assert checked["identity-dump cluster"] == {"captures": 2, "bytes": 0}
    in_bucket = checked["identity-dump bucket"]
    assert isinstance(in_bucket, dict)
    assert in_bucket["captures"] == 2


def test_damaged_dump_in_the_bucket_is_marked_and_not_chosen(with_dumps: Verified) -> None:
    newest, older = _dump_ids(with_dumps)
    store, key = with_dumps.sets.store, with_dumps.dumps.content_key(newest)
    store.put(key, store.get(key)[:-1] + b"x")

    (fault,) = with_dumps.faults()

    assert fault.startswith(f"damaged: bucket {newest}: {newest}.json.age has changed")
    assert [one.dump_id for one in with_dumps.dumps.published()] == [older]
    record = with_dumps.record(newest, RecordKind.IDENTITY_DUMP)
    assert (record.is_sound_in("cluster"), record.is_sound_in("bucket")) == (True, False)


def test_dump_that_lost_its_metadata_is_no_lost_one(with_dumps: Verified) -> None:
    newest, older = _dump_ids(with_dumps)
    metadata = with_dumps.dumps.metadata(newest)
    with_dumps.sets.store.delete(with_dumps.dumps.metadata_key(newest))

    (fault,) = with_dumps.faults()
    assert fault.startswith(f"headless: bucket {newest}: its metadata are not there, its encrypted content is: restore")
    assert [one.dump_id for one in with_dumps.dumps.published()] == [older]

    with_dumps.dumps.publish(metadata)
    with_dumps.run()
    assert with_dumps.record(newest, RecordKind.IDENTITY_DUMP).damaged == {}


def test_changed_metadata_of_a_dump_are_noticed(with_dumps: Verified) -> None:
    newest, _ = _dump_ids(with_dumps)
    metadata = with_dumps.dumps.metadata(newest)
    with_dumps.dumps.publish(metadata.model_copy(update={"party_hint": "other-validator-1"}))

    assert with_dumps.faults() == [f"damaged: bucket {newest}: its metadata are not those that its record has"]


def test_dump_of_another_validator_in_the_bucket_is_named_and_none_to_choose(with_dumps: Verified) -> None:
    dumps, known = with_dumps.dumps, _dump_ids(with_dumps)
    stranger = dumps.metadata(known[0]).model_copy(update={"dump_id": "20990101t000000z", "validator": "validator-2"})
    dumps.publish(dumps.put_content(stranger, b"{}"))

    told = with_dumps.run().details["attention"]

    assert isinstance(told, list)
    assert [str(one).partition(" (")[0] for one in told] == ["bucket 20990101t000000z: it is of validator validator-2"]
    assert [one.dump_id for one in dumps.published()] == known


def test_deleted_dump_secret_is_lost(with_dumps: Verified) -> None:
    newest, _ = _dump_ids(with_dumps)
    with_dumps.cluster.delete_secret(f"validator-1-identities-{newest}")

    assert with_dumps.faults() == [
        f"lost: cluster {newest}: its record names its Secret, and that is not there",
    ]
    assert with_dumps.record(newest, RecordKind.IDENTITY_DUMP).locations == ("bucket",)


def test_missed_recovery_point_is_a_fault(on_volume: Verified) -> None:
    on_volume.protected = on_volume.protected.declared(recovery_point=timedelta(hours=4))
    back_up(on_volume.protected.spec, on_volume.protected.surroundings)
    on_volume.run()
    on_volume.protected.clock.next_day()

    (fault,) = on_volume.faults()

    assert fault.startswith("missed: backup-set: the newest proven backup set is 1d")


def test_damaged_record_is_named_once_when_all_was_read(on_volume: Verified) -> None:
    newest, older = on_volume.ids
    _flip(on_volume.file(older), 0.5)
    name = on_volume.record(newest).object_name
    cast("MemoryRecords", on_volume.protected.surroundings.records).damaged.add(name)

    damaged, unread = on_volume.faults()

    assert damaged.startswith(f"damaged: volume {older}: ")
    assert unread == f"unread: cluster: ConfigMap {name} is no record; delete it"


def test_volume_that_is_not_mounted_is_said(on_volume: Verified) -> None:
    on_volume.volume.sets_folder.rename(on_volume.volume.root / "elsewhere")

    with pytest.raises(RefusedError, match="check that the backup claim is mounted there"):
        on_volume.run()

    assert all(on_volume.record(one).damaged == {} for one in on_volume.ids)


def test_undeclared_verification_is_refused(protected: Protected, memory_cluster: MemoryCluster) -> None:
    with pytest.raises(RefusedError, match="declares no verification"):
        verify(protected.spec, protected.surroundings, cast("Cluster", memory_cluster))


def test_pace_waits_for_what_was_read_too_fast() -> None:
    time, waits = [0.0], []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        time[0] += seconds

    pace = Pace(100, clock=lambda: time[0], wait=wait)
    pace.spend(50)
    time[0] += 10  # what was not used is not saved up
    pace.spend(200)

    assert waits == [0.5, 2.0]
    assert pace.bytes == 250


def test_set_that_was_streamed_to_the_bucket_alone_is_read_too(
    protected_in_bucket: Protected, memory_cluster: MemoryCluster
) -> None:
    streamed = _verified(protected_in_bucket.declared(volume=None), memory_cluster)
    newest, older = streamed.ids
    streamed.run()
    (capture, _) = streamed.sets.manifest(newest).databases
    (segment,) = capture.segments
    key = streamed.sets.key(newest, segment.path)
    streamed.sets.store.put(key, streamed.sets.store.get(key)[:-1] + b"x")

    (fault,) = streamed.faults()

    assert fault.startswith(f"damaged: bucket {newest}: {segment.path} has changed")
    assert [manifest.set_id for manifest in streamed.sets.published()] == [older]
