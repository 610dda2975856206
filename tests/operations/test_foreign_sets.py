"""A sound set that is not this validator's, in its place on the volume or in the bucket: it counts for nothing."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.model.backup import BackupVolume
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.capture_id import capture_id, captured_at
from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.model.proofs import Verification
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.rebuilt_history import rebuild_sets
from catalyx_dr.operations.restore_source import BucketSource, RestoreSource, VolumeSource
from catalyx_dr.operations.verify import verify
from catalyx_dr.rules.recovery import choose
from tests.fixtures_identity import MemoryCluster
from tests.fixtures_validator import Protected

OTHER: dict[str, object] = {"validator": "validator-2", "party_hint": "other-validator-1"}
SAME_NAME_OTHER_KEYS: dict[str, object] = {"participant_id": "PAR::acme-validator-1::1220" + "cd" * 32}
IMPORTED: dict[str, object] = {"participant_id": "PAR::acme-validator-2::1220" + "ab" * 32}


def _keeping(protected: Protected, count: int) -> Protected:
    assert protected.spec.backup is not None
    retention = Retention(keep=count)
    changes: dict[str, object] = {"volume": BackupVolume(storage_class="standard", retention=retention)}
    if protected.spec.backup.bucket is not None:
        changes["bucket"] = protected.spec.backup.bucket.model_copy(update={"retention": retention})
    verified = protected.spec.model_copy(update={"verification": Verification(cron="0 3 * * 0")})
    return replace(protected, spec=verified).declared(**changes)


def _taken(protected: Protected) -> str:
    record = back_up(protected.spec, protected.surroundings)
    protected.clock.next_day()
    return record.identifier


def _put_beside(protected: Protected, set_id: str, changes: dict[str, object]) -> str:
    """Put a copy of a set an hour later, soundly sealed, that says it is of somebody else."""
    other = capture_id(captured_at(set_id) + timedelta(hours=1))
    if protected.sets_folder.exists():
        shutil.copytree(protected.sets_folder / set_id, protected.sets_folder / other)
        path = protected.sets_folder / other / "manifest.json"
        path.write_bytes(_changed(Manifest.read(path.read_bytes()), other, changes))
    if protected.spec.backup is not None and protected.spec.backup.bucket is not None:
        sets = protected.bucket_sets
        for name in sets.listed()[set_id]:
            content = sets.store.get(sets.key(set_id, name))
            if name == "manifest.json":
                content = _changed(Manifest.read(content), other, changes)
            sets.store.put(sets.key(other, name), content)
    return other


def _changed(manifest: Manifest, set_id: str, changes: dict[str, object]) -> bytes:
    return manifest.model_copy(update={"set_id": set_id, **changes}).written


def _sources(protected: Protected) -> dict[str, RestoreSource]:
    sets = protected.bucket_sets
    identities = AgeIdentities.read(protected.identity_file)
    return {
        "volume": VolumeSource(protected.volume),
        "bucket": BucketSource(sets, identities, protected.surroundings.scratch),
    }


@pytest.mark.parametrize("changes", [OTHER, SAME_NAME_OTHER_KEYS])
def test_it_pushes_out_no_own_set_is_left_in_place_and_told(
    protected_in_bucket: Protected, changes: dict[str, object]
) -> None:
    protected = _keeping(protected_in_bucket, 2)
    first = _taken(protected)
    second = _taken(protected)
    other = _put_beside(protected, second, changes)

    record = back_up(protected.spec, protected.surroundings)

    left = [second, other, record.identifier]
    assert protected.set_ids == left
    assert sorted(protected.bucket_sets.listed()) == left
    for place in ("volume", "bucket"):
        assert f"attention: {other} in the {place} counts for nothing and is left there: it is of " in record.message
    assert first not in left


def test_sets_from_before_an_import_count_as_ever(protected_in_bucket: Protected) -> None:
    protected = _keeping(protected_in_bucket, 2)
    first = _taken(protected)
    imported = _put_beside(protected, first, IMPORTED)

    record = back_up(protected.spec, protected.surroundings)

    assert protected.set_ids == sorted(protected.bucket_sets.listed()) == [imported, record.identifier]
    assert "counts for nothing" not in record.message


def test_latest_is_the_newest_own_set_and_history_learns_of_no_other(protected_in_bucket: Protected) -> None:
    protected = _keeping(protected_in_bucket, 3)
    own = _taken(protected)
    other = _put_beside(protected, own, OTHER)

    for place, source in _sources(protected).items():
        assert choose(source.captures(), "latest").identifier == own
        with pytest.raises(RefusedError, match=rf"{other} is not proven \(it is of validator validator-2 "):
            choose(source.captures(), other)
        rebuild_sets(source, place, "validator-1", protected.surroundings.records, print)

    assert [record.identifier for record in protected.records] == [own]


def test_it_is_named_where_nothing_else_is(protected_in_bucket: Protected) -> None:
    protected = _keeping(protected_in_bucket, 3)
    own = _taken(protected)
    other = _put_beside(protected, own, OTHER)
    protected.volume.remove(own)
    protected.bucket_sets.remove(own)

    for source in _sources(protected).values():
        with pytest.raises(RefusedError, match=rf"no proven one is available; {other}: it is of validator validator-2"):
            choose(source.captures(), "latest")


def test_it_is_not_sent_to_the_bucket(protected_in_bucket: Protected) -> None:
    protected = _keeping(protected_in_bucket, 3)
    own = _taken(protected)
    other = _put_beside(protected, own, OTHER)
    protected.bucket_sets.store.delete_below(protected.bucket_sets.key(other, ""))

    back_up(protected.spec, protected.surroundings)

    assert other not in protected.bucket_sets.listed()


def _verified(protected: Protected, cluster: MemoryCluster) -> Record:
    return verify(protected.spec, protected.surroundings, cast("Cluster", cluster))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (OTHER, "it is of validator validator-2 (other-validator-1), not of validator-1 (acme-validator-1)"),
        (SAME_NAME_OTHER_KEYS, "it is of participant PAR::acme-validator-1::1220cdcd"),
    ],
)
def test_verification_names_it_in_both_places(
    protected_in_bucket: Protected, memory_cluster: MemoryCluster, changes: dict[str, object], text: str
) -> None:
    protected = _keeping(protected_in_bucket, 3)
    other = _put_beside(protected, _taken(protected), changes)

    record = _verified(protected, memory_cluster)

    told = record.details["attention"]
    assert isinstance(told, list)
    for place in ("volume", "bucket"):
        assert any(f"{place} {other}: {text}" in str(one) for one in told)
    assert record.status is RecordStatus.COMPLETED


def _on_volume(protected: Protected, set_id: str) -> None:
    path = protected.sets_folder / set_id / "manifest.json"
    path.write_bytes(_changed(Manifest.read(path.read_bytes()), set_id, OTHER))


def _in_bucket(protected: Protected, set_id: str) -> None:
    sets = protected.bucket_sets
    key = sets.key(set_id, "manifest.json")
    sets.store.put(key, _changed(Manifest.read(sets.store.get(key)), set_id, OTHER))


@pytest.mark.parametrize(("place", "change"), [("volume", _on_volume), ("bucket", _in_bucket)])
def test_it_is_damage_in_the_place_of_an_own_one(
    protected_in_bucket: Protected,
    memory_cluster: MemoryCluster,
    place: str,
    change: Callable[[Protected, str], None],
) -> None:
    protected = _keeping(protected_in_bucket, 3)
    own = _taken(protected)
    change(protected, own)

    with pytest.raises(UnprovenError, match=f"damaged: {place} {own}: it is of validator validator-2"):
        _verified(protected, memory_cluster)

    record = protected.surroundings.records.find(RecordKind.BACKUP_SET, "validator-1", own)
    assert record is not None
    assert not record.is_sound_in(place)
