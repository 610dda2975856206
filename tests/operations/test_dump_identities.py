"""Identity dumps: published whole or not at all, kept by number, changes flagged, nothing secret told."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pyrage
import pytest

from catalyx_dr.adapters.bucket_identities import BucketIdentities
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.api_access import ValidatorApi
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.damage import Damage
from catalyx_dr.model.errors import CatalyxDrError, EndedError, RefusedError, UnprovenError, UnreachableError
from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.record import Record, RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.validator_spec import Encryption, IdentityDumps, ValidatorSpec
from catalyx_dr.operations.dump_identities import dump_identities
from catalyx_dr.operations.surroundings import Surroundings
from tests.fixtures_bucket import AND_LIKE_AWS
from tests.fixtures_identity import (
    CLIENT_SECRET,
    FINGERPRINT,
    IDENTITIES,
    PARTICIPANT,
    PARTY,
    VALIDATOR_USER,
    Keycloak,
    MemoryCluster,
    Reply,
    ValidatorApp,
    declared_spec,
    import_that_runs,
    make_dump,
    operator,
)
from tests.fixtures_validator import Clock, MemoryRecords


@dataclass
class Dumping:
    """A validator, and what the job that dumps its identities has."""

    spec: ValidatorSpec
    surroundings: Surroundings
    cluster: MemoryCluster
    clock: Clock
    age: pyrage.x25519.Identity

    def run(self) -> Record:
        self.clock.next_day()
        return dump_identities(self.spec, self.surroundings, cast("Cluster", self.cluster))

    def declare(self, **changes: Any) -> None:
        self.spec = self.spec.model_copy(update=changes)

    @property
    def records(self) -> list[Record]:
        return self.surroundings.records.list()

    @property
    def in_bucket(self) -> BucketIdentities:
        assert self.spec.backup is not None
        assert self.spec.backup.bucket is not None
        return BucketIdentities(BucketStore.reach(self.spec.backup.bucket, self.surroundings.secrets), self.spec)

    @property
    def objects(self) -> list[str]:
        return [item.key for item in self.in_bucket.store.objects("")]


@pytest.fixture
def dumping(identity_secrets: SecretFiles, memory_cluster: MemoryCluster, validator_app: ValidatorApp) -> Dumping:
    clock = Clock()
    age = pyrage.x25519.Identity.generate()
    spec = declared_spec().model_copy(
        update={
            "api": ValidatorApi(url=validator_app.url),
            "encryption": Encryption(recipients=(str(age.to_public()),)),
        }
    )
    surroundings = Surroundings(records=MemoryRecords(), secrets=identity_secrets, now=clock)
    return Dumping(spec, surroundings, memory_cluster, clock, age)


@pytest.fixture
def dumping_to_bucket(dumping: Dumping, bucket: BackupBucket) -> Dumping:
    dumping.declare(backup=DatabaseBackup(cron="0 * * * *", bucket=bucket))
    return dumping


def test_the_secret_holds_the_bytes_that_were_received(dumping: Dumping, validator_app: ValidatorApp) -> None:
    received = json.dumps(make_dump(), indent=3).encode() + b"\n"
    validator_app.http.always(IDENTITIES, Reply(200, received))

    record = dumping.run()

    name = f"validator-1-identities-{record.identifier}"
    assert dumping.cluster.content(name) == received
    assert name in dumping.cluster.immutable
    assert dumping.cluster.labels[name] == {
        "app.kubernetes.io/managed-by": "catalyx-dr",
        "catalyx-dr/validator": "validator-1",
        "catalyx-dr/record": "identity-dump",
    }
    metadata = IdentityDumpMetadata.model_validate_json(dumping.cluster.content(name, "metadata.json"))
    assert (metadata.participant_id, metadata.party_id, metadata.key_count) == (PARTICIPANT, PARTY, 3)
    assert (record.status, record.locations, record.bytes) == (RecordStatus.COMPLETED, ("cluster",), len(received))
    assert record.details["metadata"] == metadata.model_dump(mode="json")
    assert dumping.records == [record]


def test_the_bucket_holds_it_encrypted(dumping_to_bucket: Dumping, tmp_path: Path) -> None:
    record = dumping_to_bucket.run()

    identity = tmp_path / "identity.txt"
    identity.write_text(str(dumping_to_bucket.age))
    content = dumping_to_bucket.in_bucket.content(record.identifier, AgeIdentities.read(identity))
    assert content == dumping_to_bucket.cluster.content(f"validator-1-identities-{record.identifier}")
    assert [one.dump_id for one in dumping_to_bucket.in_bucket.published()] == [record.identifier]
    assert record.locations == ("cluster", "bucket")
    stored = dumping_to_bucket.in_bucket.store
    for key in dumping_to_bucket.objects:
        assert make_dump()["keys"][0]["keyPair"].encode() not in stored.get(key)
    with pytest.raises(RefusedError, match="not encrypted to the given age identity"):
        dumping_to_bucket.in_bucket.content(record.identifier, AgeIdentities([pyrage.x25519.Identity.generate()]))


FAULTS: list[tuple[Callable[[ValidatorApp, Keycloak], object], str, str, type[CatalyxDrError]]] = [
    (lambda app, _: app.http.always(IDENTITIES, Reply(404)), "fetch", "splice#5777", UnreachableError),
    (lambda app, _: app.http.always(IDENTITIES, Reply(401)), "fetch", "auth.audience", UnreachableError),
    (lambda app, _: app.http.always(IDENTITIES, Reply(403)), "fetch", "ParticipantAdmin", UnreachableError),
    (lambda app, _: app.http.always(IDENTITIES, Reply(503)), "fetch", "not ready", UnreachableError),
    (lambda app, _: app.http.always(IDENTITIES, Reply(200, b'{"id": "PA')), "fetch", "cut short", UnreachableError),
    (lambda app, _: app.http.always(IDENTITIES, Reply(200, b"{}")), "validate", "Field required", UnprovenError),
    (
        lambda app, _: setattr(app, "dump", make_dump(keys=[{"type": "signing", "keyId": "k-1"}])),
        "validate",
        "keys.0.KmsKey.name: Field required",
        UnprovenError,
    ),
    (
        lambda app, _: app.http.always(IDENTITIES, Reply.of(make_dump(authorizedStoreSnapshot="QUJD" * 300_000))),
        "validate",
        "a Secret holds at most 1048576",
        RefusedError,
    ),
    (lambda app, _: setattr(app, "party", f"other-1::{FINGERPRINT}"), "validate", "correct partyHint", UnprovenError),
    (lambda _, keycloak: setattr(keycloak, "audiences", None), "token", "audience mapper", UnreachableError),
]


@pytest.mark.parametrize(("break_it", "phase", "text", "kind"), FAULTS)
def test_what_is_off_is_not_published_and_the_last_good_dump_stays(
    dumping: Dumping,
    validator_app: ValidatorApp,
    keycloak: Keycloak,
    break_it: Callable[[ValidatorApp, Keycloak], object],
    phase: str,
    text: str,
    kind: type[CatalyxDrError],
) -> None:
    good = dumping.run()
    kept = dumping.cluster.names
    break_it(validator_app, keycloak)

    with pytest.raises(kind) as caught:
        dumping.run()

    assert text in str(caught.value)
    assert dumping.cluster.names == kept
    failed = dumping.records[0]
    assert (failed.status, failed.phase, failed.locations) == (RecordStatus.FAILED, phase, ())
    assert dumping.records[1] == good


def test_nothing_is_fetched_while_the_bucket_is_away(dumping_to_bucket: Dumping, validator_app: ValidatorApp) -> None:
    assert dumping_to_bucket.spec.backup is not None
    assert dumping_to_bucket.spec.backup.bucket is not None
    gone = dumping_to_bucket.spec.backup.bucket.model_copy(update={"name": "gone"})
    dumping_to_bucket.declare(backup=DatabaseBackup(cron="0 * * * *", bucket=gone))

    with pytest.raises(RefusedError, match="NoSuchBucket"):
        dumping_to_bucket.run()

    assert validator_app.http.asked == []
    assert dumping_to_bucket.cluster.names == []


def test_a_bucket_without_recipients_is_refused(dumping_to_bucket: Dumping) -> None:
    dumping_to_bucket.declare(encryption=None)
    with pytest.raises(RefusedError, match="nothing leaves the cluster unencrypted"):
        dumping_to_bucket.run()
    assert dumping_to_bucket.objects == []


def test_a_cluster_that_keeps_no_secret_leaves_nothing_in_the_bucket(dumping_to_bucket: Dumping) -> None:
    dumping_to_bucket.cluster.fail_on = "identities"
    with pytest.raises(UnreachableError, match="could not create Secret"):
        dumping_to_bucket.run()
    assert dumping_to_bucket.objects == []


def test_a_bucket_that_fails_at_last_leaves_no_secret(
    dumping_to_bucket: Dumping, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: BucketIdentities, _metadata: IdentityDumpMetadata) -> None:
        raise UnreachableError("the store has a fault")

    monkeypatch.setattr(BucketIdentities, "publish", fail)
    with pytest.raises(UnreachableError, match="the store has a fault"):
        dumping_to_bucket.run()
    assert dumping_to_bucket.cluster.names == []
    assert dumping_to_bucket.objects == []


def test_a_record_that_cannot_be_kept_leaves_no_secret(dumping: Dumping, monkeypatch: pytest.MonkeyPatch) -> None:
    save = dumping.surroundings.records.save

    def fail_when_completed(record: Record) -> None:
        if record.status is RecordStatus.COMPLETED:
            raise UnreachableError("the Kubernetes API did not answer")
        save(record)

    monkeypatch.setattr(dumping.surroundings.records, "save", fail_when_completed)
    with pytest.raises(UnreachableError):
        dumping.run()
    assert dumping.cluster.names == []
    assert [record.status for record in dumping.records] == [RecordStatus.FAILED]


@AND_LIKE_AWS
def test_the_declared_number_is_kept_in_each_place(dumping_to_bucket: Dumping) -> None:
    dumps = IdentityDumps(cron="0 * * * *", retention=Retention(keep=2), bucket_retention=Retention(keep=3))
    dumping_to_bucket.declare(identity_dump=dumps)

    ids = [dumping_to_bucket.run().identifier for _ in range(5)]

    assert dumping_to_bucket.cluster.names == [f"validator-1-identities-{one}" for one in ids[-2:]]
    assert [one.dump_id for one in dumping_to_bucket.in_bucket.published()] == ids[:1:-1]
    assert len(dumping_to_bucket.objects) == 6
    assert [(record.identifier, record.locations) for record in dumping_to_bucket.records] == [
        (ids[4], ("cluster", "bucket")),
        (ids[3], ("cluster", "bucket")),
        (ids[2], ("bucket",)),
    ]


def test_dumps_of_other_keys_are_never_pruned_for_new_ones(dumping: Dumping, validator_app: ValidatorApp) -> None:
    dumping.declare(identity_dump=IdentityDumps(cron="0 * * * *", retention=Retention(keep=1)))
    before = dumping.run()
    validator_app.dump = make_dump("PAR::acme-validator-1::1220" + "cd" * 32)

    first = dumping.run()
    second = dumping.run()

    assert "participant id changed" in first.message
    assert "participant id changed" not in second.message
    assert dumping.cluster.names == [f"validator-1-identities-{one.identifier}" for one in (before, second)]


def test_failures_are_remembered_but_not_for_ever(dumping: Dumping, validator_app: ValidatorApp) -> None:
    validator_app.http.always(IDENTITIES, Reply(404))
    for _ in range(12):
        with pytest.raises(UnreachableError):
            dumping.run()
    validator_app.http.overrides.clear()
    dumping.run()
    assert [record.status for record in dumping.records].count(RecordStatus.FAILED) == 10


def test_a_validator_without_schedule_is_refused(dumping: Dumping) -> None:
    dumping.declare(identity_dump=None)
    with pytest.raises(RefusedError, match="has no identityDump"):
        dumping.run()


def test_a_missing_secret_is_named(dumping: Dumping) -> None:
    dumping.surroundings.secrets.path("splice-app-validator-ledger-api-auth", "client-secret").unlink()
    with pytest.raises(RefusedError, match="'splice-app-validator-ledger-api-auth' has no key 'client-secret'"):
        dumping.run()


def test_log_and_records_tell_no_key_and_no_token(dumping: Dumping, capsys: pytest.CaptureFixture[str]) -> None:
    dumping.run()
    told = capsys.readouterr().out + "".join(record.model_dump_json() for record in dumping.records)
    assert CLIENT_SECRET not in told
    assert "eyJ" not in told
    for key in make_dump()["keys"]:
        assert key["keyPair"] not in told


def test_references_to_kms_keys_are_kept_and_flagged(dumping: Dumping, validator_app: ValidatorApp) -> None:
    before = dumping.run()
    names = ("namespace", "signing", "encryption")
    validator_app.dump = make_dump(keys=[{"type": "signing", "keyId": f"arn:{name}", "name": name} for name in names])

    record = dumping.run()

    assert "3 keys (kms)" in record.message
    flags = record.details["flags"]
    assert isinstance(flags, list)
    assert flags[0] == "key kind changed from held to kms"
    assert "set externalKms: true" in str(flags)
    assert dumping.cluster.names == [f"validator-1-identities-{one.identifier}" for one in (before, record)]


def test_a_key_in_place_of_another_is_told_in_the_history(dumping: Dumping, validator_app: ValidatorApp) -> None:
    dumping.run()
    keys = make_dump()["keys"]
    validator_app.dump = make_dump(keys=[*keys[:2], {"keyPair": "bmV3IGtleQ==", "name": "encryption"}])

    assert "attention: key set changed: another key stands in place of a known one" in dumping.run().message


def test_the_floor_beats_the_number(dumping: Dumping) -> None:
    dumping.declare(identity_dump=IdentityDumps(cron="0 * * * *", retention=Retention(keep=1, floor=3)))
    for _ in range(5):
        dumping.run()
    assert len(dumping.cluster.names) == 3


def test_what_a_killed_run_left_goes_when_a_later_dump_is_proven(dumping_to_bucket: Dumping) -> None:
    killed = dumping_to_bucket.run()
    running = killed.model_copy(update={"status": RecordStatus.RUNNING, "locations": (), "details": {}})
    dumping_to_bucket.surroundings.records.save(running)

    newest = dumping_to_bucket.run()

    assert dumping_to_bucket.cluster.names == [f"validator-1-identities-{newest.identifier}"]
    assert [one.dump_id for one in dumping_to_bucket.in_bucket.published()] == [newest.identifier]
    assert [record.status for record in dumping_to_bucket.records] == [RecordStatus.COMPLETED, RecordStatus.FAILED]


def test_what_a_cluster_kept_without_an_answer_goes_with_the_next_dump(
    dumping: Dumping, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = dumping.cluster.create_secret

    def unheard(*given: Any, **more: Any) -> None:
        create(*given, **more)
        raise UnreachableError("the Kubernetes API did not answer")

    monkeypatch.setattr(dumping.cluster, "create_secret", unheard)
    with pytest.raises(UnreachableError):
        dumping.run()
    monkeypatch.setattr(dumping.cluster, "create_secret", create)
    newest = dumping.run()

    assert dumping.cluster.names == [f"validator-1-identities-{newest.identifier}"]


def test_second_run_in_the_same_second_harms_nothing(dumping_to_bucket: Dumping) -> None:
    taken = dumping_to_bucket.run()
    surroundings = replace(dumping_to_bucket.surroundings, now=lambda: taken.started)

    with pytest.raises(RefusedError, match="run again in a second"):
        dump_identities(dumping_to_bucket.spec, surroundings, cast("Cluster", dumping_to_bucket.cluster))

    assert dumping_to_bucket.records == [taken]
    assert [one.dump_id for one in dumping_to_bucket.in_bucket.published()] == [taken.identifier]


def test_token_that_lives_no_longer_than_a_slow_validator_needs_is_enough(
    dumping: Dumping, validator_app: ValidatorApp, keycloak: Keycloak
) -> None:
    keycloak.lifetime = 2
    slow = replace(Reply.of(operator(PARTY)), delay=0.7)
    validator_app.http.always(VALIDATOR_USER, Reply(503), Reply(503), slow)

    assert dumping.run().status is RecordStatus.COMPLETED


def test_run_that_is_ended_while_it_prunes_has_taken_its_dump_and_the_next_prunes_the_rest(
    dumping: Dumping, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dumping.declare(identity_dump=IdentityDumps(cron="0 * * * *", retention=Retention(keep=1)))
    dumping.run()
    with monkeypatch.context() as patch:
        patch.setattr("catalyx_dr.operations.dump_identities.delete_dump", Mock(side_effect=EndedError("SIGTERM")))
        assert dumping.run().status is RecordStatus.COMPLETED
    assert "ended from outside while old dumps were pruned" in capsys.readouterr().out
    assert len(dumping.cluster.names) == 2

    dumping.run()

    assert len(dumping.cluster.names) == 1


def test_participant_of_an_import_that_goes_on_is_not_published_and_one_that_failed_is_told(dumping: Dumping) -> None:
    running = import_that_runs(dumping.spec.name, PARTICIPANT, dumping.clock() + timedelta(days=1))
    dumping.surroundings.records.save(running)
    with pytest.raises(UnprovenError, match=r"identity import r1 started .* as PAR::.* has not proven it yet"):
        dumping.run()
    assert dumping.cluster.names == []

    dumping.surroundings.records.save(running.model_copy(update={"status": RecordStatus.FAILED}))

    assert "run that request again, it only proves" in dumping.run().message


def test_run_that_may_still_go_on_is_left_alone(dumping: Dumping) -> None:
    other = dumping.run()
    dumping.surroundings.records.save(other.model_copy(update={"status": RecordStatus.RUNNING}))
    dumping.clock.shift -= timedelta(days=1, minutes=-1)

    dumping.run()

    assert len(dumping.cluster.names) == 2


def test_changed_byte_in_the_metadata_of_the_bucket_is_damage(dumping_to_bucket: Dumping) -> None:
    in_bucket = dumping_to_bucket.in_bucket
    first, second = dumping_to_bucket.run(), dumping_to_bucket.run()
    key = in_bucket.content_key(second.identifier).replace(".json.age", ".metadata.json")
    written = in_bucket.store.get(key)
    in_bucket.store.put(key, written.replace(b"0.7.4", b"0.7.5"))

    with pytest.raises(UnprovenError, match="is not what was written as metadata of a dump"):
        in_bucket.metadata(second.identifier)
    assert [one.dump_id for one in in_bucket.published()] == [first.identifier]


def test_damaged_record_keeps_no_dump_from_being_taken(dumping: Dumping, capsys: pytest.CaptureFixture[str]) -> None:
    first = dumping.run()
    cast("MemoryRecords", dumping.surroundings.records).damaged.add(first.object_name)
    capsys.readouterr()

    assert dumping.run().status is RecordStatus.COMPLETED
    assert capsys.readouterr().out.count(f"attention: ConfigMap {first.object_name} is no record") == 1


def test_a_damaged_copy_does_not_count_among_those_that_are_kept(dumping_to_bucket: Dumping) -> None:
    dumping_to_bucket.declare(identity_dump=IdentityDumps(cron="0 * * * *", retention=Retention(keep=2)))
    first, second = dumping_to_bucket.run(), dumping_to_bucket.run()
    dumping_to_bucket.in_bucket.condemn(Damage(capture_id=second.identifier, found=dumping_to_bucket.clock()))
    damaged = second.model_copy(update={"damaged": {"bucket": "a byte has changed"}})
    dumping_to_bucket.surroundings.records.save(damaged)

    third = dumping_to_bucket.run()

    assert [one.dump_id for one in dumping_to_bucket.in_bucket.published()] == [third.identifier, first.identifier]
    assert len(dumping_to_bucket.cluster.names) == 2
