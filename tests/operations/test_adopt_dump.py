"""Identity dumps that others took: adopted when they are dumps of this validator's keys; else refused."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pyrage
import pytest

from catalyx_dr.adapters.bucket_identities import BucketIdentities
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.model.record import Record, RecordStatus
from catalyx_dr.model.validator_spec import Encryption, ValidatorSpec
from catalyx_dr.operations.adopt_dump import DumpToAdopt, adopt_dump
from catalyx_dr.operations.import_order import ImportOrder, find_dump
from catalyx_dr.operations.surroundings import Surroundings
from tests.fixtures_identity import FINGERPRINT, PARTICIPANT, PARTY, MemoryCluster, declared_spec, make_dump
from tests.fixtures_validator import MemoryRecords

TAKEN = datetime(2026, 3, 1, 6, 0, 0, tzinfo=UTC)
LENT = "vendor-dump-7"


@dataclass
class Adopting:
    """A validator, and the Secret that holds what others took."""

    spec: ValidatorSpec
    surroundings: Surroundings
    cluster: MemoryCluster
    age: pyrage.x25519.Identity

    def holds(self, document: dict[str, Any]) -> None:
        path = self.surroundings.secrets.path(LENT, "content")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))

    def adopt(self, party_id: str | None = PARTY) -> Record:
        order = DumpToAdopt(LENT, TAKEN, f"Secret {LENT}", party_id)
        return adopt_dump(self.spec, order, self.surroundings, cast("Cluster", self.cluster))


@pytest.fixture
def adopting(secrets: SecretFiles, memory_cluster: MemoryCluster) -> Adopting:
    age = pyrage.x25519.Identity.generate()
    spec = declared_spec().model_copy(update={"encryption": Encryption(recipients=(str(age.to_public()),))})
    found = Adopting(spec, Surroundings(records=MemoryRecords(), secrets=secrets), memory_cluster, age)
    found.holds(make_dump())
    return found


def test_dump_joins_the_history_under_the_time_it_was_taken(adopting: Adopting) -> None:
    record = adopting.adopt()

    assert (record.identifier, record.started) == ("20260301t060000z", TAKEN)
    assert (record.status, record.locations) == (RecordStatus.COMPLETED, ("cluster",))
    assert f"adopted from Secret {LENT}" in record.message
    kept = adopting.cluster.content(f"validator-1-identities-{record.identifier}")
    assert json.loads(kept) == make_dump()
    assert adopting.surroundings.records.list() == [record]


def test_adopted_dump_can_be_imported(adopting: Adopting) -> None:
    adopting.adopt()
    order = ImportOrder("latest", "r1", "never-used")
    found = find_dump(adopting.spec, order, "latest", adopting.surroundings, cast("Cluster", adopting.cluster))
    assert json.loads(found.dump.content) == make_dump()
    assert found.dump.metadata.participant_id == PARTICIPANT
    assert found.dump.metadata.party_id == PARTY


def test_bucket_gets_an_encrypted_copy(adopting: Adopting, bucket: BackupBucket, tmp_path: Path) -> None:
    adopting.spec = adopting.spec.model_copy(update={"backup": DatabaseBackup(cron="0 * * * *", bucket=bucket)})
    record = adopting.adopt()

    assert record.locations == ("cluster", "bucket")
    identity = tmp_path / "identity.txt"
    identity.write_text(str(adopting.age))
    dumps = BucketIdentities(BucketStore.reach(bucket, adopting.surroundings.secrets), adopting.spec)
    assert json.loads(dumps.content(record.identifier, AgeIdentities.read(identity))) == make_dump()


def test_history_proves_the_next_one(adopting: Adopting) -> None:
    adopting.adopt()
    adopting.holds(make_dump(f"PAR::another-identifier::{FINGERPRINT}"))
    record = adopting.adopt(party_id=None)
    assert record.identifier == "20260301t060001z"


@pytest.mark.parametrize(
    ("document", "party_id", "error", "message"),
    [
        ({"id": "nothing"}, PARTY, UnprovenError, "this is no identity dump"),
        (make_dump(authorizedStoreSnapshot=""), PARTY, UnprovenError, "authorizedStoreSnapshot"),
        (make_dump("PAR::x::1220" + "cd" * 32), PARTY, RefusedError, "belongs to another validator"),
        (make_dump(), None, RefusedError, "its history is empty; give --party-id"),
        (make_dump(), "other-validator-1::" + FINGERPRINT, RefusedError, "the stack says partyHint"),
    ],
)
def test_what_cannot_be_proven_is_refused(
    adopting: Adopting, document: dict[str, Any], party_id: str | None, error: type[Exception], message: str
) -> None:
    adopting.holds(document)
    with pytest.raises(error, match=message):
        adopting.adopt(party_id)
    assert adopting.cluster.names == []
    assert adopting.surroundings.records.list() == []


def test_same_dump_is_adopted_once(adopting: Adopting) -> None:
    adopting.adopt()
    with pytest.raises(RefusedError, match="in the history already, as 20260301t060000z"):
        adopting.adopt()
