"""Pairs of dumps that others made: adopted when whole, in order and of this validator; else refused without a trace."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import sql

from catalyx_dr.adapters import foreign_dumps
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.adapters.volume_store import VolumeStore
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.errors import CatalyxDrError, MissingError, RefusedError, UnprovenError
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.operations import restore as restore_module
from catalyx_dr.operations.adopt_set import SetToAdopt, adopt_set
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.patience import Patience
from catalyx_dr.operations.progress import Progress
from catalyx_dr.operations.restore import RestoreOrder, restore
from catalyx_dr.operations.restore_source import BucketSource
from tests.fixtures_postgres import PARTICIPANT_ID, USER, ThrowawayServer
from tests.fixtures_validator import Protected, WorkloadLog

PARTY = "acme-validator-1::1220" + "ab" * 32
_CLUSTER: Cluster = None  # type: ignore[assignment]  # workloads are stand-ins
_DATABASES = {"validator-app": "cantonnet_validator", "participant": "participant"}
ByHand = Callable[..., Path]


def dump_by_hand(server: ThrowawayServer, folder: Path, role: str, *options: str) -> Path:
    """`pg_dump` as people type it."""
    target = folder / (role if "--format=directory" in options else f"{role}.dump")
    subprocess.run(
        [
            server.programs / "pg_dump",
            *(options or ("--format=custom",)),
            f"--file={target}",
            f"--dbname=host=127.0.0.1 port={server.port} user=postgres dbname={_DATABASES[role]}",
        ],
        check=True,
    )
    return target


def set_back(dump: Path, seconds: int) -> None:
    """Let an archive have been begun earlier: its header tells whole seconds, and two dumps are made in one."""
    head = dump / "toc.dat" if dump.is_dir() else dump
    content = bytearray(head.read_bytes())
    if not content.startswith(b"PGDMP"):
        return
    # Magic, version, size of numbers, size of offsets, format, compression; then the second, its sign first.
    size = content[8]
    second = 11 + (1 if content[6] >= 15 else 1 + size)
    told = int.from_bytes(content[second + 1 : second + 1 + size], "little") - seconds
    content[second] = told < 0
    content[second + 1 : second + 1 + size] = abs(told).to_bytes(size, "little")
    head.write_bytes(content)


@pytest.fixture
def by_hand(protected: Protected) -> ByHand:
    """Dump both databases into incoming/hand, the app's first unless told otherwise."""

    def make(*options: str, order: tuple[str, str] = ("validator-app", "participant")) -> Path:
        folder = protected.surroundings.volume / "incoming" / "hand"
        folder.mkdir(parents=True)
        for role, seconds in zip(order, (2, 1), strict=True):
            set_back(dump_by_hand(protected.server, folder, role, *options), seconds)
        return folder

    return make


def adopt(protected: Protected, party_id: str | None = PARTY, **order: str) -> Record:
    return adopt_set(protected.spec, SetToAdopt("hand", party_id=party_id, **order), protected.surroundings)


def manifest_of(protected: Protected, record: Record) -> Manifest:
    return protected.volume.manifest(record.identifier)


def no_trace(protected: Protected) -> bool:
    in_flight = protected.surroundings.volume / "in-flight"
    return protected.set_ids == [] and protected.records == [] and list(in_flight.iterdir()) == []


@pytest.mark.parametrize("options", [("--format=custom",), ("--format=directory", "--jobs=2")])
def test_pair_becomes_a_set_like_one_of_our_own(
    protected: Protected, by_hand: ByHand, options: tuple[str, ...]
) -> None:
    by_hand(*options)
    record = adopt(protected)
    protected.clock.next_day()
    own = back_up(protected.spec, protected.surroundings)

    assert (record.status, record.locations, record.kind) == (
        RecordStatus.COMPLETED,
        ("volume",),
        RecordKind.BACKUP_SET,
    )
    assert record.identifier in protected.set_ids
    adopted, taken = manifest_of(protected, record), manifest_of(protected, own)
    assert adopted.participant_id == taken.participant_id == PARTICIPANT_ID
    assert adopted.migration_id == 1
    for found, expected in zip(adopted.databases, taken.databases, strict=True):
        assert found.row_counts == expected.row_counts
        assert found.ledger_offset == expected.ledger_offset
        assert found.server_version.split(".")[0] == expected.server_version.split(".")[0]
    assert adopted.databases[0].started < adopted.databases[1].started
    assert abs(record.started - adopted.started) < timedelta(seconds=1)


@pytest.mark.parametrize("options", [("--format=custom",), ("--format=directory",)])
def test_adopted_set_can_be_restored(
    protected: Protected,
    by_hand: ByHand,
    workload_log: WorkloadLog,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    by_hand(*options)
    adopt(protected)
    protected.server.run("participant", sql.SQL("DELETE FROM participant.lapi_events"))
    monkeypatch.setattr(restore_module, "prove_restored", lambda *given: {})

    patience = Patience(*[timedelta(seconds=3)] * 4)
    record = restore(protected.spec, RestoreOrder("latest", "r1"), protected.surroundings, _CLUSTER, patience)

    assert record.status is RecordStatus.COMPLETED
    assert protected.server.value("participant", "SELECT count(*) FROM participant.lapi_events") == 3000


def _into_bucket(protected: Protected, folder: Path) -> None:
    for path in folder.iterdir():
        key = f"{protected.spec.object_prefix}incoming/hand/{path.name}"
        protected.bucket_sets.store.put(key, path.read_bytes())
    shutil.rmtree(folder)


def test_pair_in_the_bucket_is_exported_like_a_set(
    protected_in_bucket: Protected, by_hand: ByHand, tmp_path: Path
) -> None:
    protected = protected_in_bucket
    folder = by_hand("--format=custom")
    _into_bucket(protected, folder)

    record = adopt(protected, source="bucket")

    assert record.locations == ("volume", "bucket")
    sets = protected.bucket_sets
    source = BucketSource(sets, AgeIdentities.read(protected.identity_file), protected.surroundings.scratch)
    (published,) = sets.published()
    fetched = source.fetch(published)
    assert sorted(path.name for path in fetched.iterdir()) == ["participant", "validator-app"]
    source.release(published)
    assert not (protected.surroundings.scratch / "incoming").exists()


def test_participant_that_was_dumped_first_is_refused(protected: Protected, by_hand: ByHand) -> None:
    by_hand(order=("participant", "validator-app"))
    with pytest.raises(UnprovenError, match=r"begun at .*, after the participant's"):
        adopt(protected)
    assert no_trace(protected)


def test_app_that_is_ahead_is_refused(protected: Protected, by_hand: ByHand) -> None:
    protected.server.run("participant", sql.SQL("UPDATE participant.lapi_parameters SET ledger_end = 199"))
    by_hand()
    with pytest.raises(UnprovenError, match="ingested offset 200, but the participant's ledger ends at 199"):
        adopt(protected)
    assert no_trace(protected)


@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_truncated_dump_is_refused(protected: Protected, by_hand: ByHand, kept: float) -> None:
    dump = by_hand() / "participant.dump"
    dump.write_bytes(dump.read_bytes()[: int(dump.stat().st_size * kept)])
    with pytest.raises(CatalyxDrError):
        adopt(protected)
    assert no_trace(protected)


def test_dump_in_plain_sql_is_refused(protected: Protected, by_hand: ByHand) -> None:
    by_hand("--format=plain")
    with pytest.raises(UnprovenError, match=r"must be made with pg_dump --format=custom or --format=directory"):
        adopt(protected)
    assert no_trace(protected)


@pytest.mark.parametrize("option", ["--schema-only", "--inserts"])
def test_dump_without_rows_is_refused(protected: Protected, by_hand: ByHand, option: str) -> None:
    by_hand("--format=custom", option)
    with pytest.raises(UnprovenError, match=r"holds no rows of validator\.store_last_ingested_offsets"):
        adopt(protected)
    assert no_trace(protected)


def test_pair_of_another_validator_is_refused(protected: Protected, by_hand: ByHand) -> None:
    by_hand()
    with pytest.raises(RefusedError, match="is known with the keys 1220cdcd"):
        adopt(protected, party_id="acme-validator-1::1220" + "cd" * 32)
    with pytest.raises(RefusedError, match="the stack says partyHint 'acme-validator-1'"):
        adopt(protected, party_id="other-validator-1::1220" + "ab" * 32)
    assert no_trace(protected)


def test_history_proves_whose_it_is_and_without_one_the_party_is_asked_for(
    protected: Protected, by_hand: ByHand
) -> None:
    by_hand()
    with pytest.raises(RefusedError, match="its history is empty; give --party-id"):
        adopt(protected, party_id=None)
    protected.clock.next_day()
    back_up(protected.spec, protected.surroundings)
    assert adopt(protected, party_id=None).status is RecordStatus.COMPLETED


def test_same_pair_is_adopted_once(protected: Protected, by_hand: ByHand) -> None:
    by_hand()
    adopt(protected)
    with pytest.raises(RefusedError, match="is there already"):
        adopt(protected)


@pytest.mark.parametrize("source", ["volume", "bucket"])
@pytest.mark.parametrize(
    ("place", "step"), [(foreign_dumps, "contents"), (Progress, "complete")], ids=["before the proof", "at the end"]
)
def test_adoption_that_was_cut_off_goes_on(
    protected_in_bucket: Protected,
    by_hand: ByHand,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    place: object,
    step: str,
) -> None:
    protected, folder = protected_in_bucket, by_hand()
    if source == "bucket":
        _into_bucket(protected, folder)
        protected = protected.declared(volume=None)
    with monkeypatch.context() as killed:
        killed.setattr(place, step, lambda *_, **__: sys.exit())
        killed.setattr(VolumeStore, "abandon", lambda *_: None)
        with pytest.raises(SystemExit):
            adopt(protected, source=source)

    record = adopt(protected, source=source)

    assert protected.records == [record]
    assert record.status is RecordStatus.COMPLETED
    assert protected.whole_in_bucket() == [record.identifier]
    assert list(protected.surroundings.volume.parent.glob("*/in-flight/*")) == []


def test_zone_of_the_dumping_machine_is_taken_into_account(protected: Protected, by_hand: ByHand) -> None:
    by_hand()
    in_utc = adopt(protected)
    with pytest.raises(UnprovenError, match="in the future; name the zone"):
        adopt(protected, time_zone="Etc/GMT+5")
    other = adopt(protected, time_zone="Etc/GMT-1")
    assert in_utc.started - other.started == timedelta(hours=1)


def test_incomplete_pair_is_told_with_what_there_is(protected: Protected, by_hand: ByHand) -> None:
    (by_hand() / "participant.dump").unlink()
    with pytest.raises(MissingError, match="found: validator-app\\.dump"):
        adopt(protected)


def test_account_of_the_validator_is_not_needed_to_read_what_its_owner_dumped(protected: Protected) -> None:
    """Quoted names and large objects are counted as a restore counts them."""
    protected.server.run("participant", sql.SQL("SELECT lo_create(0)"))
    protected.server.run("participant", sql.SQL('CREATE TABLE participant."Odd ""Name" AS SELECT 1 AS a, NULL AS b'))
    protected.server.run(
        "participant", sql.SQL('ALTER TABLE participant."Odd ""Name" OWNER TO {}'), sql.Identifier(USER)
    )
    folder = protected.surroundings.volume / "incoming" / "hand"
    folder.mkdir(parents=True)
    for role in _DATABASES:
        dump_by_hand(protected.server, folder, role)

    counts = manifest_of(protected, adopt(protected)).databases[1].row_counts

    assert counts['participant."Odd ""Name"'] == 1
    assert counts["pg_catalog.pg_largeobject_metadata"] == 1
