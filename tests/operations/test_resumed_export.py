"""An export that was cut off goes on with the segments that the bucket lacks, and with no other."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import cast

import pyrage
import pytest

from catalyx_dr.adapters import archives
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError, UnprovenError, UnreachableError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.run_limits import RunLimits
from catalyx_dr.model.validator_spec import Encryption
from catalyx_dr.operations import restore as restore_module
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.export import export
from catalyx_dr.operations.restore import RestoreOrder, restore
from tests.fixtures_bucket import AND_LIKE_AWS, EVERY_STORE
from tests.fixtures_restore import change
from tests.fixtures_validator import Protected, WorkloadLog

_SEGMENT_BYTES = 20_000


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SEGMENT_BYTES", _SEGMENT_BYTES)


class Cut:
    """A set on the volume, of which the bucket has the segments, or some of them, and no manifest."""

    def __init__(self, protected: Protected) -> None:
        (self.set_id,) = protected.set_ids
        self.protected = protected
        protected.clock.next_day()

    @property
    def objects(self) -> dict[str, list[str]]:
        """Names of the set's objects in the bucket, and the versions of each: one a time that it was sent."""
        sets = self.protected.bucket_sets
        prefix = sets.key(self.set_id, "")
        answer = sets.store.client.list_object_versions(Bucket=sets.store.at.name, Prefix=prefix)
        found: dict[str, list[str]] = {}
        for item in answer.get("Versions", []):
            found.setdefault(item["Key"].removeprefix(prefix), []).append(item["VersionId"])
        return found

    def key(self, name: str) -> str:
        return self.protected.bucket_sets.key(self.set_id, name)

    def note(self, name: str) -> Path:
        return self.protected.sets_folder / self.set_id / "sent" / name

    def go_on(self) -> list[str]:
        """Names of what the next run sent of it."""
        before = self.objects
        record = back_up(self.protected.spec, self.protected.surroundings)
        assert self.protected.whole_in_bucket() == [self.set_id, record.identifier]
        after = self.objects
        return sorted(name for name, versions in after.items() if len(versions) > len(before.get(name, [])))


@pytest.fixture
def cut(protected_in_bucket: Protected, monkeypatch: pytest.MonkeyPatch) -> Cut:
    """An export that failed at its very end."""

    def away(_sets: BucketSets, _manifest: Manifest) -> None:
        raise UnreachableError("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(BucketSets, "publish", away)
        with pytest.raises(UnreachableError):
            back_up(protected_in_bucket.spec, protected_in_bucket.surroundings)
    found = Cut(protected_in_bucket)
    assert len(found.objects) > 5
    return found


@AND_LIKE_AWS
def test_what_is_there_is_not_sent_again(cut: Cut) -> None:
    assert cut.go_on() == ["manifest.json"]


def _delete(cut: Cut, name: str) -> None:
    cut.protected.bucket_sets.store.delete(cut.key(name))


def _write_over(cut: Cut, name: str) -> None:
    store = cut.protected.bucket_sets.store
    store.put(cut.key(name), bytes(store.look_at(cut.key(name), Event()).bytes))


def _cut_note(cut: Cut, name: str) -> None:
    cut.note(name).write_bytes(cut.note(name).read_bytes()[:-10])


def _change_note(cut: Cut, name: str) -> None:
    content = cut.note(name).read_text()
    cut.note(name).write_text(content.replace('"sha256": "', '"sha256": "0')[: len(content)])


def _delete_note(cut: Cut, name: str) -> None:
    cut.note(name).unlink()


@pytest.mark.parametrize("lose", [_delete, _write_over, _cut_note, _change_note, _delete_note])
@pytest.mark.parametrize("name", ["participant.tar.0001.age", "participant.tar.0003.age", "validator-app.tar.0001.age"])
def test_one_that_is_lost_or_changed_or_not_noted_is_sent_again(
    cut: Cut, lose: Callable[[Cut, str], None], name: str
) -> None:
    lose(cut, name)

    assert cut.go_on() == ["manifest.json", name]


def test_other_recipients_begin_anew(cut: Cut) -> None:
    identity = pyrage.x25519.Identity.generate()
    cut.protected.identity_file.write_text(f"{identity}\n")
    encryption = Encryption(recipients=(str(identity.to_public()),))
    cut.protected = replace(cut.protected, spec=cut.protected.spec.model_copy(update={"encryption": encryption}))
    segments = sorted(cut.objects)

    assert cut.go_on() == ["manifest.json", *segments]


def test_other_size_of_segments_begins_anew(cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SEGMENT_BYTES", 50_000)

    sent = cut.go_on()

    assert "participant.tar.0001.age" in sent
    assert len(sent) < len(cut.objects)


def test_segments_of_a_set_that_retention_lets_go_are_removed(cut: Cut) -> None:
    assert cut.protected.spec.backup is not None
    bucket = cut.protected.spec.backup.bucket
    assert bucket is not None
    one = cut.protected.declared(bucket=bucket.model_copy(update={"retention": Retention(keep=1)}))
    newest = back_up(one.declared(volume=None).spec, one.surroundings).identifier
    one.clock.next_day()

    third = back_up(one.spec, one.surroundings).identifier

    assert cut.objects == {}
    assert newest < third
    assert one.whole_in_bucket() == [third]


def test_segments_of_a_set_that_is_damaged_on_the_volume_are_removed(cut: Cut) -> None:
    victim = cut.protected.sets_folder / cut.set_id / "participant" / "toc.dat"
    victim.write_bytes(victim.read_bytes()[:-1])
    back_up(cut.protected.spec, cut.protected.surroundings)
    cut.protected.clock.next_day()

    back_up(cut.protected.spec, cut.protected.surroundings)

    assert cut.objects == {}


@EVERY_STORE
def test_missing_or_damaged_segment_is_named_and_refused(cut: Cut) -> None:
    cut.go_on()
    _write_over(cut, "participant.tar.0002.age")

    with pytest.raises(UnprovenError, match=r"participant\.tar\.0002\.age"):
        cut.protected.whole_in_bucket()

    _delete(cut, "participant.tar.0002.age")
    assert cut.set_id not in cut.protected.whole_in_bucket()


@EVERY_STORE
@pytest.mark.parametrize("places", [{}, {"volume": None}], ids=["volume and bucket", "bucket only"])
def test_several_segments_are_restored(
    protected_in_bucket: Protected,
    workload_log: WorkloadLog,
    monkeypatch: pytest.MonkeyPatch,
    places: dict[str, None],
) -> None:
    monkeypatch.setattr(restore_module, "prove_restored", lambda *_arguments: {})
    declared = protected_in_bucket.declared(**places)
    back_up(declared.spec, declared.surroundings)
    (manifest,) = declared.bucket_sets.published()
    assert len(manifest.capture(DatabaseRole.PARTICIPANT).segments) > 3
    change(declared.server)

    order = RestoreOrder("latest", "r1", "bucket", declared.identity_file)
    restore(declared.spec, order, declared.surroundings, cast("Cluster", None))

    assert declared.server.value("participant", "SELECT count(*) FROM participant.lapi_events") == 3000


def test_whose_time_is_over_sends_one_segment_a_run(cut: Cut) -> None:
    protected, sets = cut.protected, cut.protected.bucket_sets
    manifest = protected.volume.manifest(cut.set_id)
    everything = cut.objects
    sets.store.delete_below(cut.key("participant"))

    def export_for_a_moment() -> None:
        folder = protected.sets_folder / cut.set_id
        export(manifest, folder, sets, protected.spec.recipients, None, is_over=lambda: True)

    for number in range(2, len([name for name in everything if "participant" in name]) + 1):
        with pytest.raises(CatalyxDrError, match=f"the next run goes on with participant.tar.{number:04}.age"):
            export_for_a_moment()
        assert len([name for name in cut.objects if "participant" in name]) == number - 1
    export_for_a_moment()
    assert protected.whole_in_bucket() == [cut.set_id]
    assert cut.objects["validator-app.tar.0001.age"] == everything["validator-app.tar.0001.age"]


@EVERY_STORE
@pytest.mark.parametrize("seed", range(3))
def test_killed_run_is_gone_on_with(protected_in_bucket: Protected, seed: int) -> None:
    """Killed with SIGKILL when so many segments were noted; the next run sends those that were not, and no other."""
    slow = protected_in_bucket.declared(limits=RunLimits(upload_bytes_per_second=Quantity.parse("64Ki")))
    folder = slow.surroundings.volume.parent
    command = [sys.executable, "-m", "tests.operations.backup_job", slow.spec.model_dump_json(), str(folder)]
    run = subprocess.Popen(
        [*command, str(_SEGMENT_BYTES)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while len(list(slow.sets_folder.glob("*/sent/participant.*"))) < seed + 1 and run.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    cut = Cut(protected_in_bucket)
    there, noted = sorted(cut.objects), {path.name for path in cut.note("").glob("[!.]*")}
    assert "manifest.json" not in there
    assert len(there) > seed

    sent = cut.go_on()

    assert len(sent) > 1
    assert not noted & set(sent)
    assert set(sent) | noted == set(cut.objects)
    uploads = cut.protected.bucket_sets.store.client.list_multipart_uploads(
        Bucket=cut.protected.bucket_sets.store.at.name
    )
    assert not uploads.get("Uploads")
