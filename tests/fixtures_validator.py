"""A protected validator as the operations see it: specification, secrets, records in memory, stand-in workloads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest

from catalyx_dr.adapters import access, workloads
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.adapters.records import LegibleRecords, newest_first
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.volume_store import VolumeStore
from catalyx_dr.model.backup import BackupVolume, DatabaseBackup
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.databases import Database, Databases, DatabaseServer
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.record import Record, RecordKind, object_name
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.target import SpliceHelmTarget, Workload
from catalyx_dr.model.validator_spec import Encryption, ValidatorSpec
from catalyx_dr.operations.restore_source import BucketSource, check_set
from catalyx_dr.operations.surroundings import Surroundings
from tests.fixtures_bucket import ACCESS_KEY, SECRET_KEY, STORE_SECRET
from tests.fixtures_postgres import PASSWORD, USER, ThrowawayServer


class MemoryRecords:
    """Records of one test; those that are `damaged` cannot be read."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self.damaged: set[str] = set()

    def save(self, record: Record) -> None:
        self._records[record.object_name] = record

    def find(self, kind: RecordKind, validator: str, identifier: str) -> Record | None:
        name = object_name(kind, validator, identifier)
        if name in self.damaged:
            raise UnprovenError(f"ConfigMap {name} is no record; delete it")
        return self._records.get(name)

    def list(self, validator: str | None = None, kind: RecordKind | None = None) -> list[Record]:
        found = self.legible(validator, kind)
        for fault in found.faults.values():
            raise UnprovenError(fault)
        return found.records

    def legible(self, validator: str | None = None, kind: RecordKind | None = None) -> LegibleRecords:
        found = {
            name: one
            for name, one in self._records.items()
            if validator in (None, one.validator) and kind in (None, one.kind)
        }
        faults = {name: f"ConfigMap {name} is no record; delete it" for name in found.keys() & self.damaged}
        return LegibleRecords(newest_first(one for name, one in found.items() if name not in self.damaged), faults)

    def delete(self, record: Record) -> None:
        self._records.pop(record.object_name, None)


class Clock:
    """Real time, a day on at each `next_day`: every set gets an id of its own."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def next_day(self) -> None:
        self.shift += timedelta(days=1)


@dataclass
class WorkloadLog:
    """Stands in for the cluster's workloads: keeps what was done to them, and which run."""

    running: dict[str, bool] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    on_stop: Callable[[], object] = lambda: None
    denied: tuple[str, ...] = ()

    def exists(self, cluster: object, workload: Workload) -> bool:
        return workload.name in self.running

    def stop(self, cluster: object, workload: Workload) -> None:
        self.done.append(f"stop {workload.name}")
        self.running[workload.name] = False
        self.on_stop()

    def start(self, cluster: object, workload: Workload) -> None:
        if not self.running[workload.name]:
            self.done.append(f"start {workload.name}")
        self.running[workload.name] = True

    def denied_rights(self, cluster: object, rights: object) -> tuple[str, ...]:
        return self.denied

    def wait_until_gone(self, cluster: object, workload: Workload, patience: timedelta) -> None:
        self.done.append(f"wait for {workload.name}")

    def wait_until_ready(self, cluster: object, started: Sequence[Workload], patience: timedelta) -> None:
        self.done += [f"wait for {workload.name}" for workload in started]


@dataclass(frozen=True)
class Protected:
    """A validator whose databases exist, and what its jobs have."""

    spec: ValidatorSpec
    surroundings: Surroundings
    server: ThrowawayServer
    clock: Clock
    identity_file: Path

    def declared(self, **backup: Any) -> "Protected":
        """The same with other fields of `backup`."""
        assert self.spec.backup is not None
        return replace(self, spec=self.spec.model_copy(update={"backup": self.spec.backup.model_copy(update=backup)}))

    @property
    def records(self) -> list[Record]:
        return self.surroundings.records.list()

    @property
    def sets_folder(self) -> Path:
        return self.surroundings.volume / "sets"

    @property
    def volume(self) -> VolumeStore:
        """Its sets on the volume."""
        return VolumeStore(self.surroundings.volume, self.spec)

    @property
    def bucket_sets(self) -> BucketSets:
        """Its sets in the bucket, which must be declared."""
        assert self.spec.backup is not None
        assert self.spec.backup.bucket is not None
        return BucketSets(BucketStore.reach(self.spec.backup.bucket, self.surroundings.secrets), self.spec)

    def whole_in_bucket(self) -> list[str]:
        """Ids of the sets in the bucket, oldest first: each is fetched, opened, and is what its manifest says."""
        sets = self.bucket_sets
        source = BucketSource(sets, AgeIdentities.read(self.identity_file), self.surroundings.scratch)
        for manifest in sets.published():
            check_set(manifest, source.fetch(manifest), 1)
            source.release(manifest)
        return sorted(manifest.set_id for manifest in sets.published())

    @property
    def set_ids(self) -> list[str]:
        """Folders of sets on the volume, oldest first."""
        return sorted(path.name for path in self.sets_folder.iterdir()) if self.sets_folder.exists() else []


@pytest.fixture
def secrets(tmp_path: Path) -> SecretFiles:
    values = {
        ("postgres-secrets", "postgresPassword"): PASSWORD + "\n",
        (STORE_SECRET, "access-key-id"): ACCESS_KEY,
        (STORE_SECRET, "secret-access-key"): SECRET_KEY,
    }
    files = SecretFiles(tmp_path / "secrets")
    for (secret, key), value in values.items():
        files.path(secret, key).parent.mkdir(parents=True, exist_ok=True)
        files.path(secret, key).write_text(value)
    return files


@pytest.fixture
def protected(validator_databases: ThrowawayServer, secrets: SecretFiles, tmp_path: Path) -> Protected:
    """A validator with a backup volume and no bucket."""
    identity = pyrage.x25519.Identity.generate()
    identity_file = tmp_path / "identity.txt"
    identity_file.write_text(f"# created for a test\n{identity}\n")
    clock = Clock()
    for name in ("volume", "scratch"):
        (tmp_path / name).mkdir()
    surroundings = Surroundings(
        records=MemoryRecords(), secrets=secrets, volume=tmp_path / "volume", scratch=tmp_path / "scratch", now=clock
    )
    spec = declared_validator(validator_databases, str(identity.to_public()))
    return Protected(spec, surroundings, validator_databases, clock, identity_file)


@pytest.fixture
def protected_in_bucket(protected: Protected, bucket: BackupBucket) -> Protected:
    """The same with a bucket too."""
    return protected.declared(bucket=bucket)


@pytest.fixture
def workload_log(monkeypatch: pytest.MonkeyPatch) -> WorkloadLog:
    log = WorkloadLog({"validator-app": True, "participant": True})
    for name in ("exists", "stop", "start", "wait_until_gone", "wait_until_ready"):
        monkeypatch.setattr(workloads, name, getattr(log, name))
    monkeypatch.setattr(access, "denied", log.denied_rights)
    return log


def declared_validator(server: ThrowawayServer, recipient: str) -> ValidatorSpec:
    """Specification of a validator whose databases are on `server`."""
    return ValidatorSpec(
        name="validator-1",
        namespace="validator-1",
        party_hint="acme-validator-1",
        node_identifier="acme-validator-1",
        migration_id=1,
        databases=Databases(
            server=DatabaseServer(host="127.0.0.1", port=server.port, user=USER),
            validator_app=Database(name="cantonnet_validator", schema_name="validator", storage=Quantity.parse("1Gi")),
            participant=Database(name="participant", schema_name="participant", storage=Quantity.parse("1Gi")),
        ),
        # Nobody listens there: what Scan tells is optional.
        target=SpliceHelmTarget(scan_url="http://127.0.0.1:9"),
        backup=DatabaseBackup(
            cron="0 */4 * * *", volume=BackupVolume(storage_class="standard", retention=Retention(keep=3))
        ),
        encryption=Encryption(recipients=(recipient,)),
    )
