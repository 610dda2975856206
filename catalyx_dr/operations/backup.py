"""Takes a backup set: check, dump in order, prove and export meanwhile, publish, prune, record."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from catalyx_dr import __version__
from catalyx_dr.adapters import dump_files
from catalyx_dr.adapters.backup_claims import BackupClaim
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.dump_proof import DumpProof
from catalyx_dr.adapters.priority import lower_priority
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.adapters.run_lease import Held
from catalyx_dr.adapters.volume_store import VolumeStore, disk_explained
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.backup_set import DatabaseCapture, Manifest
from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError, EndedError, RefusedError
from catalyx_dr.model.record import Record, RecordKind
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.backup_pruning import IN_BUCKET, ON_VOLUME, close_unfinished, prune
from catalyx_dr.operations.capture import Dumped, Observed, Source, dump, look_at
from catalyx_dr.operations.export import Export
from catalyx_dr.operations.headless_sets import note_headless
from catalyx_dr.operations.kept_databases import drop_outdated
from catalyx_dr.operations.late_export import missing_sets, send_missing
from catalyx_dr.operations.network import upgrade_facts
from catalyx_dr.operations.one_run import one_run
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.set_bucket import open_bucket
from catalyx_dr.operations.set_details import set_details
from catalyx_dr.operations.streaming import Streamed, stream
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.operations.unproven_import import attention_to_imports
from catalyx_dr.operations.volume_room import make_room
from catalyx_dr.rules.capture_order import check_order
from catalyx_dr.rules.set_size import expected_set_bytes
from catalyx_dr.rules.volume_growth import Measured

_PERCENT = {DatabaseRole.VALIDATOR_APP: 5, DatabaseRole.PARTICIPANT: 20}


def back_up(spec: ValidatorSpec, surroundings: Surroundings, claim: BackupClaim | None = None) -> Record:
    """Take one set. It is published whole, in order and proven, or not at all; earlier sets stay.

    `claim` is the volume's, which grows first when the set or the rule of its size want it.

    Raises RefusedError before anything is written, for example while another run goes on; UnprovenError,
    UnreachableError or CatalyxDrError after, with the phase in the record.
    """
    if spec.backup is None:
        raise RefusedError(f"validator {spec.name!r} declares no backup; declare its cron and destination")
    volume = VolumeStore(surroundings.volume, spec) if spec.backup.volume else None
    if volume is not None:
        volume.prepare()
    with one_run(spec, surroundings) as held:
        set_id = capture_id(surroundings.now())
        close_unfinished(spec, surroundings)
        with (
            reporting(RecordKind.BACKUP_SET, set_id, spec.name, surroundings.records, surroundings.now) as progress,
            disk_explained(volume.root if volume else surroundings.scratch),
        ):
            return _Run(spec, spec.backup, surroundings, progress, volume, held, set_id, claim).take()


@dataclass(frozen=True)
class _Run:
    """One run; `held`: what keeps others away, which it must still have when it publishes."""

    spec: ValidatorSpec
    backup: DatabaseBackup
    surroundings: Surroundings
    progress: Progress
    volume: VolumeStore | None
    held: Held
    set_id: str
    claim: BackupClaim | None

    def take(self) -> Record:
        """Go through all phases."""
        self.progress.phase("check", 2)
        self._lower_priority()
        bucket = open_bucket(self.spec, self.backup, self.surroundings, self.progress.note)
        sources = [look_at(self.spec, role, self.surroundings) for role in DatabaseRole]
        attention = self._catch_up(bucket)
        attention += self._make_room(sources)
        if self.volume is None and bucket is not None:
            manifest = self._into_bucket(bucket, sources)
        else:
            manifest = self._through_volume(cast(VolumeStore, self.volume), bucket, sources)
        self.progress.phase("remove by retention", 96)
        try:
            faults = prune(
                self.spec, self.backup, self.surroundings, self.volume, bucket, self.progress, manifest.participant_id
            )
            faults += drop_outdated(self.spec, self.surroundings, self.progress.note)
        except EndedError:
            # The set is listed by now, and whoever heard of a failed run would take it for lost.
            faults = ["ended from outside while old sets were removed; the next run goes on with that"]
        return self._complete(manifest, [*attention, *faults])

    def _lower_priority(self) -> None:
        limits = self.backup.limits
        if said := str(limits):
            self.progress.note(f"limits: {said}")
        for fault in lower_priority(limits.niceness, limits.io_priority):
            self.progress.note(f"attention: {fault}")

    def _catch_up(self, bucket: BucketSets | None) -> list[str]:
        """Remove what unfinished runs left, but for exports that go on now; returns what could not be done."""
        missing = missing_sets(self.backup, self.surroundings, self.volume, bucket) if self.volume and bucket else []
        left, faults = self.volume.clean() if self.volume else ([], [])
        if bucket is not None:
            resumed = {manifest.set_id for manifest in missing}
            headless = note_headless(self.spec, self.surroundings, bucket, resumed, self.progress)
            left += bucket.clean(self.surroundings.now(), resumed | headless.keys())
            faults += headless.values()
        for name in left:
            self.progress.note(f"removed {name}, which an unfinished run left")
        if self.volume and bucket:
            faults += send_missing(
                self.spec, self.backup, self.surroundings, self.volume, bucket, self.progress, missing
            )
        return faults

    def _make_room(self, sources: list[Source]) -> list[str]:
        if self.volume is None:
            return []
        databases = sum(source.bytes for source in sources)
        measured = Measured(databases, self.volume.free_bytes(), self._expected_bytes(self.volume, sources))
        return make_room(self.spec, self.backup, self.claim, self.volume, measured, self.progress)

    def _expected_bytes(self, volume: VolumeStore, sources: list[Source]) -> int:
        earlier = volume.published()
        return expected_set_bytes(sum(source.bytes for source in sources), earlier[0] if earlier else None)

    def _through_volume(self, volume: VolumeStore, bucket: BucketSets | None, sources: list[Source]) -> Manifest:
        """Dump to the volume; prove and send to the bucket what is finished while the rest is dumped."""
        with _in_flight(volume, self.set_id) as folder, self._abandoned_on_failure(bucket), ExitStack() as background:
            proofs = {role: DumpProof(folder, role, self.backup.parallel_jobs) for role in DatabaseRole}
            exports = {role: self._export(bucket, folder, proof, role) for role, proof in proofs.items() if bucket}
            # Last in, first out: an export ends when its proof is given up.
            for close in (*(one.close for one in exports.values()), *(one.close for one in proofs.values())):
                background.callback(close)
            expected = self._expected_bytes(volume, sources)
            with self.progress.measuring(lambda: dump_files.bytes_below(folder), expected, until=50):
                dumps = [self._dump(source, folder, proofs[source.role]) for source in sources]
            self.progress.phase("decode and hash", 50)
            app, participant = (_proven(dumped, proofs[dumped.source.role]) for dumped in dumps)
            manifest = self._manifest(app, participant, dumps[-1].observed)
            self.progress.phase("publish on the volume", 75)
            volume.publish(manifest)
            if bucket is not None:
                self.progress.phase("export to the bucket", 78)
                self._finish_export(bucket, manifest, exports)
        return manifest

    def _export(self, bucket: BucketSets, folder: Path, proof: DumpProof, role: DatabaseRole) -> Export:
        return Export(
            bucket, self.set_id, role, folder, proof, self.spec.recipients, Pace(self.backup.limits.upload_rate)
        )

    def _dump(self, source: Source, folder: Path, proof: DumpProof) -> Dumped:
        self.progress.phase(f"dump {source.role}", _PERCENT[source.role])
        return dump(source, folder, proof, self.backup, self.surroundings.now)

    def _finish_export(self, bucket: BucketSets, manifest: Manifest, exports: Mapping[DatabaseRole, Export]) -> None:
        try:
            self._publish(bucket, manifest.with_segments({role: one.result() for role, one in exports.items()}))
        except (CatalyxDrError, EndedError) as error:
            raise type(error)(f"set {self.set_id} is proven on the volume, but not in the bucket: {error}") from None

    def _into_bucket(self, bucket: BucketSets, sources: list[Source]) -> Manifest:
        """Stream both dumps into the bucket, the participant's after the app's is complete."""
        streamed: list[Streamed] = []
        with self._abandoned_on_failure(bucket):
            for source in sources:
                self.progress.phase(f"stream {source.role} into the bucket", _PERCENT[source.role])
                streamed.append(
                    stream(source, bucket, self.set_id, self.backup, self.spec.recipients, self.surroundings.now)
                )
            app, participant = streamed
            manifest = self._manifest(app.capture, participant.capture, participant.observed)
            self.progress.phase("publish in the bucket", 90)
            self._publish(bucket, manifest)
        return manifest

    def _manifest(self, app: DatabaseCapture, participant: DatabaseCapture, observed: Observed) -> Manifest:
        self.progress.phase("prove the order", 72)
        check_order(app, participant)
        for told in attention_to_imports(self.spec, self.surroundings, observed.participant_id):
            self.progress.attend(told)
        upgrade = upgrade_facts(self.spec)
        return Manifest(
            set_id=self.set_id,
            validator=self.spec.name,
            namespace=self.spec.namespace,
            party_hint=self.spec.party_hint,
            participant_id=observed.participant_id,
            migration_id=self.spec.migration_id,
            synchronizer_serial=upgrade.serial if upgrade else None,
            databases=(app, participant),
            tool_version=__version__,
        )

    def _publish(self, bucket: BucketSets, manifest: Manifest) -> None:
        self.held.check()
        bucket.publish(manifest.model_copy(update={"recipients": self.spec.recipients}))

    @contextmanager
    def _abandoned_on_failure(self, bucket: BucketSets | None) -> Iterator[None]:
        try:
            yield
        except EndedError:
            raise  # There is no time; the next run cleans up.
        except BaseException:
            if bucket is not None:
                is_resumed = self.volume is not None and self.volume.folder(self.set_id).exists()
                leave = bucket.suspend if is_resumed else bucket.abandon
                with suppress(CatalyxDrError):
                    leave(self.set_id, self.surroundings.now())
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
            details=set_details(manifest),
        )


@contextmanager
def _in_flight(volume: VolumeStore, set_id: str) -> Iterator[Path]:
    folder = volume.begin(set_id)
    try:
        yield folder
    finally:
        # Nothing is left of a set that failed; a published one is no longer here.
        volume.abandon(set_id)


def _proven(dumped: Dumped, proof: DumpProof) -> DatabaseCapture:
    observed = dumped.observed
    return dumped.capture(proof.result(dumped.source.client, observed.tables, observed.row_counts))
