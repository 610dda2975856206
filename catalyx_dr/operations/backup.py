"""Takes a backup set: check, dump in order, prove, publish on the volume, export to the bucket, prune, record."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from catalyx_dr import __version__
from catalyx_dr.adapters.backup_claims import BackupClaim
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.encryption import check_recipients
from catalyx_dr.adapters.volume_store import VolumeStore, disk_explained, only_run
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.record import Record, RecordKind
from catalyx_dr.model.validator_spec import DatabaseBackup, DatabaseRole, ValidatorSpec
from catalyx_dr.operations.backup_pruning import IN_BUCKET, ON_VOLUME, close_unfinished, prune
from catalyx_dr.operations.capture import Dumped, Source, dump, look_at, proven
from catalyx_dr.operations.export import export
from catalyx_dr.operations.kept_databases import drop_outdated
from catalyx_dr.operations.network import upgrade_facts
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.operations.volume_room import make_room
from catalyx_dr.rules.capture_order import check_order
from catalyx_dr.rules.set_size import expected_set_bytes
from catalyx_dr.rules.volume_growth import Measured


def back_up(spec: ValidatorSpec, surroundings: Surroundings, claim: BackupClaim | None = None) -> Record:
    """Take one set. It is published whole, in order and proven, or not at all; earlier sets stay.

    `claim` is the volume's, which grows first when the set or the rule of its size want it.

    Raises RefusedError before anything is written, for example while another run goes on; UnprovenError,
    UnreachableError or CatalyxDrError after, with the phase in the record.
    """
    if spec.backup is None:
        raise RefusedError(f"validator {spec.name!r} declares no backup; declare its cron and destination")
    work = VolumeStore(surroundings.volume if spec.backup.volume else surroundings.scratch)
    work.prepare()
    with only_run(work.root):
        set_id = capture_id(surroundings.now())
        close_unfinished(spec, surroundings)
        with (
            reporting(RecordKind.BACKUP_SET, set_id, spec.name, surroundings.records, surroundings.now) as progress,
            disk_explained(work.root),
        ):
            return _Run(spec, spec.backup, surroundings, progress, work, set_id, claim).take()


@dataclass(frozen=True)
class _Run:
    spec: ValidatorSpec
    backup: DatabaseBackup
    surroundings: Surroundings
    progress: Progress
    work: VolumeStore
    set_id: str
    claim: BackupClaim | None

    def take(self) -> Record:
        """Go through all phases."""
        self.progress.phase("check", 2)
        bucket = self._bucket()
        sources = [look_at(self.spec, role, self.surroundings) for role in DatabaseRole]
        self._clean(bucket)
        attention = self._make_room(sources)
        with self._in_flight() as folder:
            manifest = self._capture(sources, folder)
            if self.backup.volume:
                self.progress.phase("publish on the volume", 75)
                self.work.publish(manifest)
                folder = self.work.folder(self.set_id)
            if bucket is not None:
                self.progress.phase("export to the bucket", 78)
                self._export(bucket, manifest, folder)
        self.progress.phase("remove by retention", 96)
        faults = prune(self.spec, self.backup, self.surroundings, self.work, bucket, self.progress)
        faults += drop_outdated(self.spec, self.surroundings, self.progress.note)
        return self._complete(manifest, [*attention, *faults])

    def _bucket(self) -> BucketSets | None:
        if self.backup.bucket is None:
            return None
        check_recipients(self._recipients)
        bucket = BucketSets(BucketStore.reach(self.backup.bucket, self.surroundings.secrets), self.spec.object_prefix)
        bucket.store.check()
        return bucket

    @property
    def _recipients(self) -> tuple[str, ...]:
        return self.spec.encryption.recipients if self.spec.encryption else ()

    def _clean(self, bucket: BucketSets | None) -> None:
        left = self.work.clean()
        if bucket is not None:
            # The lock is the volume's. Without one, a run elsewhere may still be writing: until its deadline.
            now = self.surroundings.now()
            left += bucket.clean(now if self.backup.volume else now - self.backup.deadline)
        for name in left:
            self.progress.note(f"removed {name}, which an unfinished run left")

    def _make_room(self, sources: list[Source]) -> list[str]:
        databases = sum(source.bytes for source in sources)
        earlier = self.work.published()
        expected = expected_set_bytes(databases, earlier[0] if earlier else None)
        measured = Measured(databases, self.work.free_bytes(), expected)
        return make_room(self.spec, self.backup, self.claim, self.work, measured, self.progress)

    @contextmanager
    def _in_flight(self) -> Iterator[Path]:
        folder = self.work.begin(self.set_id)
        try:
            yield folder
        finally:
            # Nothing is left of a set that failed; a published one is no longer here.
            self.work.abandon(self.set_id)

    def _capture(self, sources: list[Source], folder: Path) -> Manifest:
        dumps: list[Dumped] = []
        for source, percent in zip(sources, (5, 15), strict=True):
            self.progress.phase(f"dump {source.role}", percent)
            dumps.append(
                dump(
                    source,
                    folder,
                    jobs=self.backup.parallel_jobs,
                    level=self.backup.compression_level,
                    now=self.surroundings.now,
                )
            )
        self.progress.phase("decode and hash", 50)
        app, participant = (proven(dumped, folder, jobs=self.backup.parallel_jobs) for dumped in dumps)
        self.progress.phase("prove the order", 72)
        check_order(app, participant)
        upgrade = upgrade_facts(self.spec)
        return Manifest(
            set_id=self.set_id,
            validator=self.spec.name,
            namespace=self.spec.namespace,
            party_hint=self.spec.party_hint,
            participant_id=dumps[-1].participant_id,
            migration_id=self.spec.migration_id,
            synchronizer_serial=upgrade.serial if upgrade else None,
            databases=(app, participant),
            tool_version=__version__,
        )

    def _export(self, bucket: BucketSets, manifest: Manifest, folder: Path) -> None:
        try:
            export(manifest, folder, bucket, self._recipients)
        except BaseException as error:
            with suppress(CatalyxDrError):
                bucket.abandon(self.set_id, self.surroundings.now())
            if self.backup.volume and isinstance(error, CatalyxDrError):
                raise type(error)(
                    f"set {self.set_id} is proven on the volume, but not in the bucket: {error}"
                ) from None
            raise

    def _complete(self, manifest: Manifest, faults: list[str]) -> Record:
        destinations = {ON_VOLUME: self.backup.volume, IN_BUCKET: self.backup.bucket}
        locations = tuple(name for name, declared in destinations.items() if declared)
        sizes = ", ".join(
            f"{capture.role} {capture.database_bytes} bytes in {sum(file.bytes for file in capture.files)}"
            for capture in manifest.databases
        )
        text = (
            f"proven on {' and in '.join(locations)}: {sizes}" if self.backup.volume else f"proven in bucket: {sizes}"
        )
        return self.progress.complete(
            "; ".join([text, *(f"attention: {fault}" for fault in faults)]),
            size=manifest.bytes,
            locations=locations,
            details={
                "participantId": manifest.participant_id,
                "ledgerOffsets": {str(capture.role): capture.ledger_offset for capture in manifest.databases},
                "recoveryPoint": manifest.started.isoformat(),
            },
        )
