"""Adopts a pair of database dumps that others made: decoded, in order, of this validator; then a set like any other."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from catalyx_dr import __version__
from catalyx_dr.adapters import dump_files, foreign_dumps
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.foreign_dumps import DumpContents, DumpHeader
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.adapters.postgres_client import PostgresClient, client_for
from catalyx_dr.adapters.run_lease import Held
from catalyx_dr.adapters.volume_store import VolumeStore, disk_explained
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.backup_set import DatabaseCapture, Manifest
from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import MissingError, RefusedError, UnprovenError
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.backup_pruning import IN_BUCKET, ON_VOLUME
from catalyx_dr.operations.export import export
from catalyx_dr.operations.one_run import one_run
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.set_bucket import open_bucket
from catalyx_dr.operations.set_details import set_details
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.adoption import (
    check_identity,
    check_order_of,
    check_times,
    known_fingerprints,
    participant_of_rows,
)

INCOMING = "incoming"
_OWN_FILE = "dump"
_ROLES = tuple(DatabaseRole)
_OFFSETS, _END, _NODE = "store_last_ingested_offsets", "lapi_parameters", "common_node_id"


@dataclass(frozen=True)
class SetToAdopt:
    """The pair in `incoming/<name>` of the volume or the bucket: a file or folder for each role, named after it.

    `time_zone`: of the machine that made the dumps; `party_id`: the operator's party, where history knows nothing yet.
    """

    name: str
    source: str = ON_VOLUME
    time_zone: str = "Etc/UTC"
    party_id: str | None = None


def adopt_set(spec: ValidatorSpec, order: SetToAdopt, surroundings: Surroundings) -> Record:
    """Publish the pair as a backup set.

    Raises MissingError when it is not there, UnprovenError when it is damaged or in the wrong order, RefusedError when
    it is of another validator; then nothing is listed, and the incoming files are as they were.
    """
    if spec.backup is None:
        raise RefusedError(f"validator {spec.name!r} declares no backup; declare where its sets are kept first")
    if spec.backup.method == "snapshot":
        raise RefusedError(f"validator {spec.name!r} keeps snapshots, which no dump can join; declare method: dump")
    work = VolumeStore(surroundings.volume if spec.backup.volume else surroundings.scratch, spec)
    work.prepare()
    with one_run(spec, surroundings) as held, disk_explained(work.root):
        return _Adoption(spec, spec.backup, order, surroundings, work, held).go()


@dataclass(frozen=True)
class _Adoption:
    spec: ValidatorSpec
    backup: DatabaseBackup
    order: SetToAdopt
    surroundings: Surroundings
    work: VolumeStore
    held: Held

    def go(self) -> Record:
        """Prove first, without a word in the history; then copy, publish and record."""
        bucket = open_bucket(self.spec, self.backup, self.surroundings, self._say)
        server = PostgresServer.reach(self.spec.databases.server, self.surroundings.secrets)
        client = client_for(server.version(), self.surroundings.scratch)
        with self._incoming(bucket) as sources:
            app, participant = (foreign_dumps.header(client, sources[role], self.order.time_zone) for role in _ROLES)
            check_times(app.created, participant.created, self.surroundings.now())
            set_id = capture_id(app.created)
            self._check_new(set_id, bucket)
            with self._in_flight(set_id, sources) as folder:
                manifest = self._manifest(set_id, folder, client, app, participant)
                with reporting(
                    RecordKind.BACKUP_SET, set_id, self.spec.name, self.surroundings.records, self.surroundings.now
                ) as progress:
                    return self._publish(manifest, folder, bucket, progress)

    @contextmanager
    def _incoming(self, bucket: BucketSets | None) -> Iterator[dict[DatabaseRole, Path]]:
        """Where the pair lies; what was downloaded is removed again."""
        if self.order.source == ON_VOLUME:
            yield _pair(self.work.root / INCOMING / self.order.name, f"the volume, {INCOMING}/{self.order.name}")
            return
        if bucket is None:
            raise RefusedError(f"validator {self.spec.name!r} declares no backup.bucket to read from; use the volume")
        folder = self.surroundings.scratch / INCOMING
        shutil.rmtree(folder, ignore_errors=True)
        try:
            prefix = f"{self.spec.object_prefix}{INCOMING}/{self.order.name}/"
            for found in bucket.store.objects(prefix):
                _download(bucket.store, found.key, folder / _safe(found.key.removeprefix(prefix)))
            yield _pair(folder, f"{bucket.store}, {prefix}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _in_flight(self, set_id: str, sources: dict[DatabaseRole, Path]) -> Iterator[Path]:
        """What is proven is the copy, which nobody else writes to; nothing of it is left unless it is published.

        One that an adoption published before it was cut off is proven once more, where it is.
        """
        if self._is_on_volume(set_id):
            yield self.work.folder(set_id)
            return
        self.work.abandon(set_id)  # what a killed adoption left
        folder = self.work.begin(set_id)
        try:
            for role, source in sources.items():
                self._say(f"copy {role}")
                _copy(source, folder / role)
            yield folder
        finally:
            self.work.abandon(set_id)

    def _manifest(
        self, set_id: str, folder: Path, client: PostgresClient, app: DumpHeader, participant: DumpHeader
    ) -> Manifest:
        stored = self._decoded(client, folder, DatabaseRole.VALIDATOR_APP, _OFFSETS)
        ledger = self._decoded(client, folder, DatabaseRole.PARTICIPANT, _END, _NODE)
        migration, ingested, end = check_order_of(
            self._rows(stored, DatabaseRole.VALIDATOR_APP, _OFFSETS), self._rows(ledger, DatabaseRole.PARTICIPANT, _END)
        )
        participant_id = participant_of_rows(self._rows(ledger, DatabaseRole.PARTICIPANT, _NODE))
        known = known_fingerprints(self.surroundings.records.list(self.spec.name), self.spec.name)
        check_identity(self.spec, participant_id, known, self.order.party_id)
        return Manifest(
            set_id=set_id,
            validator=self.spec.name,
            namespace=self.spec.namespace,
            party_hint=self.spec.party_hint,
            participant_id=participant_id,
            migration_id=migration,
            databases=(
                # When the app's dump ended is written nowhere: its snapshot was taken at its beginning, and the
                # offsets prove what the order is for.
                self._capture(DatabaseRole.VALIDATOR_APP, app, stored, ingested, participant.created, folder),
                self._capture(DatabaseRole.PARTICIPANT, participant, ledger, end, participant.created, folder),
            ),
            tool_version=__version__,
        )

    def _decoded(self, client: PostgresClient, folder: Path, role: DatabaseRole, *tables: str) -> DumpContents:
        self._say(f"decode {role} to its last byte")
        wanted = [f"{self.spec.databases.of(role).schema_name}.{table}" for table in tables]
        found = foreign_dumps.contents(client, folder / role, wanted)
        lacking = [table for table in wanted if table not in found.row_counts]
        if lacking:
            raise UnprovenError(
                f"the {role} dump holds no rows of {', '.join(lacking)}, so it is no whole {role} database "
                "(made with --schema-only or --inserts, or of another database)"
            )
        return found

    def _capture(
        self,
        role: DatabaseRole,
        header: DumpHeader,
        found: DumpContents,
        offset: int,
        completed: datetime,
        folder: Path,
    ) -> DatabaseCapture:
        return DatabaseCapture(
            role=role,
            database=header.database,
            server_version=header.server_version,
            client_version=header.client_version,
            started=header.created,
            completed=completed,
            database_bytes=found.decoded_bytes,
            ledger_offset=offset,
            row_counts=found.row_counts,
            files=dump_files.measured(folder, role, self.backup.parallel_jobs),
        )

    def _say(self, what: str) -> None:
        print(f"adopt {self.order.name}: {what}", flush=True)  # noqa: T201 - the job's log is its voice

    def _rows(self, found: DumpContents, role: DatabaseRole, table: str) -> list[Mapping[str, str | None]]:
        return found.rows[f"{self.spec.databases.of(role).schema_name}.{table}"]

    def _check_new(self, set_id: str, bucket: BucketSets | None) -> None:
        """Raise RefusedError for a set that is there, unless its adoption was cut off: then it goes on."""
        record = self.surroundings.records.find(RecordKind.BACKUP_SET, self.spec.name, set_id)
        if record is not None and record.status is not RecordStatus.COMPLETED:
            return
        if record is not None or self._is_on_volume(set_id) or (bucket and set_id in bucket.set_ids()):
            raise RefusedError(f"backup set {set_id} is there already; was this pair adopted before?")

    def _is_on_volume(self, set_id: str) -> bool:
        return set_id in self.work.set_ids()

    def _publish(self, manifest: Manifest, folder: Path, bucket: BucketSets | None, progress: Progress) -> Record:
        locations: tuple[str, ...] = ()
        self.held.check()
        if self.backup.volume:
            progress.phase("publish on the volume", 70)
            if not self._is_on_volume(manifest.set_id):
                self.work.publish(manifest)
            folder, locations = self.work.folder(manifest.set_id), (ON_VOLUME,)
        if bucket is not None:
            progress.phase("export to the bucket", 75)
            if manifest.set_id not in bucket.set_ids():
                export(manifest, folder, bucket, self.spec.recipients, self.backup.limits.upload_rate)
            locations = (*locations, IN_BUCKET)
        return progress.complete(
            f"adopted from {INCOMING}/{self.order.name}: decoded, in order, of {manifest.participant_id}; its files "
            "there can be removed",
            size=manifest.bytes,
            locations=locations,
            details={**set_details(manifest), "adopted": f"{INCOMING}/{self.order.name}"},
            taken=(manifest.started, manifest.completed),
        )


def _pair(folder: Path, place: str) -> dict[DatabaseRole, Path]:
    """File or folder of each role: the one whose name begins with the role's."""
    found = {}
    for role in DatabaseRole:
        matching = sorted(folder.glob(f"{role}*"))
        if len(matching) != 1:
            there = ", ".join(sorted(path.name for path in folder.glob("*"))) or "nothing"
            raise MissingError(
                f"{place} must hold one file or folder named {role} or {role}.<anything>; found: {there}"
            )
        found[role] = matching[0]
    return found


def _safe(relative: str) -> str:
    if not relative or ".." in Path(relative).parts or Path(relative).is_absolute():
        raise RefusedError(f"object {relative!r} cannot be adopted: its name leads out of its folder")
    return relative


def _download(store: BucketStore, key: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    body = store.open(key)
    with target.open("wb") as file, store.explained(f"read {key}"):
        shutil.copyfileobj(body, file)


def _copy(source: Path, target: Path) -> None:
    """Into a folder of its own, as every dump of a set lies."""
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.mkdir()
        shutil.copyfile(source, target / _OWN_FILE)
