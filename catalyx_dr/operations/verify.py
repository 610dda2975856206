"""Verifies what was captured: all is read again and compared; what is damaged is marked, what is late is said."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import JsonValue

from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.identity_secrets import has_dump
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.adapters.records import legible_one
from catalyx_dr.adapters.volume_snapshots import IN_SNAPSHOTS, ClusterSnapshots
from catalyx_dr.adapters.volume_store import VolumeStore
from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.model.flaw import Flaw, Grade
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations import bucket_check, volume_check
from catalyx_dr.operations.bucket_check import DumpsInBucket, SetsInBucket
from catalyx_dr.operations.damage_marks import Judge, Marked
from catalyx_dr.operations.dump_identities import IN_CLUSTER, identities_in_bucket
from catalyx_dr.operations.progress import Progress
from catalyx_dr.operations.record_keeping import looking
from catalyx_dr.operations.snapshot_check import SnapshotCheck
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.operations.volume_check import VolumeCheck
from catalyx_dr.rules.recovery_points import missed_points

# A record must fit in a ConfigMap, and a message on a screen.
_FLAWS_KEPT, _FLAWS_SHOWN = 50, 3


def verify(spec: ValidatorSpec, surroundings: Surroundings, cluster: Cluster) -> Record:
    """Read everything of one validator again; a record tells what was read and what was found.

    Raises UnprovenError after all was looked at, when a capture is damaged, lost, unreadable or too old; raises
    RefusedError or UnreachableError when a place cannot be looked at.
    """
    if spec.verification is None:
        raise RefusedError(
            f"validator {spec.name!r} declares no verification; write verification: {{}} for the defaults"
        )
    pace = Pace(spec.verification.bandwidth.bytes)
    with looking(RecordKind.VERIFICATION, spec.name, surroundings, spec.verification.deadline) as progress:
        return _Run(spec, surroundings, cluster, progress, pace).go()


@dataclass
class _Run:
    spec: ValidatorSpec
    surroundings: Surroundings
    cluster: Cluster
    progress: Progress
    pace: Pace
    flaws: list[Flaw] = field(default_factory=list)
    checked: dict[str, JsonValue] = field(default_factory=dict)

    def go(self) -> Record:
        """Look at every place, then judge the whole."""
        backup = self.spec.backup
        if backup is not None and backup.volume is not None:
            self.progress.phase("read the volume", 2)
            self._sets_on_volume()
        if backup is not None and backup.snapshot is not None:
            self.progress.phase("look at the snapshots", 2)
            self._sets_in_snapshots()
        if backup is not None and backup.bucket is not None:
            self.progress.phase("read the sets in the bucket", 40)
            self._sets_in_bucket(BucketSets(BucketStore.reach(backup.bucket, self.surroundings.secrets), self.spec))
        self.progress.phase("look at the identity dumps", 85)
        self._dumps_in_cluster()
        self._dumps_in_bucket()
        self.progress.phase("compare with the recovery points", 95)
        known = self.surroundings.records.legible(self.spec.name)
        self.flaws += [Flaw(Grade.UNREAD, "cluster", "", fault) for fault in known.faults.values()]
        for missed in missed_points(self.spec, known.records, self.surroundings.now()):
            self.flaws.append(Flaw(Grade.MISSED, str(missed.kind), "", missed.text))
        return self._conclude()

    def _sets_on_volume(self) -> None:
        store, looked_at = VolumeStore(self.surroundings.volume, self.spec), set[str]()
        if not store.sets_folder.is_dir() and self._completed(RecordKind.BACKUP_SET):
            raise RefusedError(f"{store.root} holds no sets folder; check that the backup claim is mounted there")
        check = VolumeCheck(
            store=store,
            records=self._completed(RecordKind.BACKUP_SET),
            running=self._running(RecordKind.BACKUP_SET),
            pace=self.pace,
            passwords=self.surroundings.scratch,
            say=self.progress.note,
        )
        self._judge(RecordKind.BACKUP_SET, volume_check.PLACE, store, looked_at, check.flaws(looked_at))

    def _sets_in_snapshots(self) -> None:
        store, looked_at = ClusterSnapshots(self.cluster, self.spec.name), set[str]()
        check = SnapshotCheck(store, self._completed(RecordKind.BACKUP_SET))
        self._judge(RecordKind.BACKUP_SET, IN_SNAPSHOTS, None, looked_at, check.flaws(looked_at))

    def _sets_in_bucket(self, sets: BucketSets) -> None:
        looked_at = set[str]()
        running = self._running(RecordKind.BACKUP_SET)
        check = SetsInBucket(sets, self._completed(RecordKind.BACKUP_SET), running, self.pace, self.progress.note)
        self._judge(RecordKind.BACKUP_SET, bucket_check.PLACE, sets, looked_at, check.flaws(looked_at))

    def _dumps_in_bucket(self) -> None:
        dumps = identities_in_bucket(self.spec, self.surroundings.secrets)
        if dumps is None:
            return
        looked_at = set[str]()
        check = DumpsInBucket(dumps, self._completed(RecordKind.IDENTITY_DUMP), self.pace)
        self._judge(RecordKind.IDENTITY_DUMP, bucket_check.PLACE, dumps, looked_at, check.flaws(looked_at))

    def _dumps_in_cluster(self) -> None:
        looked_at = set[str]()
        self._judge(RecordKind.IDENTITY_DUMP, IN_CLUSTER, None, looked_at, self._secrets(looked_at))

    def _secrets(self, looked_at: set[str]) -> Iterator[Flaw]:
        """Whether each Secret is there: it is immutable, so that being there is being unchanged."""
        for dump_id, record in self._completed(RecordKind.IDENTITY_DUMP).items():
            if IN_CLUSTER not in record.locations:
                continue
            looked_at.add(dump_id)
            if not has_dump(self.cluster, self.spec.name, dump_id):
                yield Flaw(Grade.LOST, IN_CLUSTER, dump_id, "its record names its Secret, and that is not there")

    def _judge(
        self, kind: RecordKind, place: str, marks: Marked | None, looked_at: set[str], flaws: Iterator[Flaw]
    ) -> None:
        before = self.pace.bytes
        found = []
        for flaw in flaws:
            if flaw.grade in (Grade.LOST, Grade.HEADLESS) and not self._names(kind, flaw.capture, place):
                continue  # retention removed it meanwhile
            self.progress.note(f"{'attention' if flaw.grade is Grade.ODD else flaw.grade}: {flaw}")
            found.append(flaw)
        judge = Judge(kind, self.spec.name, self.surroundings.records, self.surroundings.now(), self.progress.note)
        judge.judge(place, marks, looked_at, found)
        self.flaws += found
        self.checked[f"{kind} {place}"] = {"captures": len(looked_at), "bytes": self.pace.bytes - before}

    def _names(self, kind: RecordKind, identifier: str, place: str) -> bool:
        record = legible_one(self.surroundings.records, kind, self.spec.name, identifier)
        return record is not None and place in record.locations

    def _running(self, kind: RecordKind) -> frozenset[str]:
        found = self.surroundings.records.legible(self.spec.name, kind).records
        return frozenset(record.identifier for record in found if record.status is RecordStatus.RUNNING)

    def _completed(self, kind: RecordKind) -> dict[str, Record]:
        found = self.surroundings.records.legible(self.spec.name, kind).records
        return {record.identifier: record for record in found if record.status is RecordStatus.COMPLETED}

    def _conclude(self) -> Record:
        faults = [flaw for flaw in self.flaws if flaw.grade is not Grade.ODD]
        odd = [flaw for flaw in self.flaws if flaw.grade is Grade.ODD]
        self.progress.remember(
            checked=self.checked,
            bytesRead=self.pace.bytes,
            faults=[f"{flaw.grade}: {flaw}" for flaw in faults[:_FLAWS_KEPT]],
            attention=[str(flaw) for flaw in odd[:_FLAWS_KEPT]],
        )
        if faults:
            more = f" and {len(faults) - _FLAWS_SHOWN} more" if len(faults) > _FLAWS_SHOWN else ""
            shown = "; ".join(f"{flaw.grade}: {flaw}" for flaw in faults[:_FLAWS_SHOWN])
            raise UnprovenError(f"{shown}{more}")
        places = ", ".join(
            f"{counts['captures']} {name}" for name, counts in self.checked.items() if isinstance(counts, dict)
        )
        text = f"{self.pace.bytes} bytes read, all sound: {places}"
        return self.progress.complete(
            "; ".join([text, *(f"attention: {flaw}" for flaw in odd[:_FLAWS_SHOWN])]), size=self.pace.bytes
        )
