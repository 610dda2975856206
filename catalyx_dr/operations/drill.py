"""Rehearses a restore: the newest proven set into a throw-away PostgreSQL, proven there, timed, and thrown away."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import JsonValue

from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.database_roles import make_roles
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.adapters.postgres import PostgresServer, ServerVersion
from catalyx_dr.adapters.postgres_client import client_for
from catalyx_dr.adapters.volume_store import VolumeStore, disk_explained
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.databases import DatabaseRole, DatabaseServer
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnprovenError, UnreachableError
from catalyx_dr.model.flaw import Flaw, Grade
from catalyx_dr.model.proofs import Drill
from catalyx_dr.model.record import READ_SET, Record, RecordKind
from catalyx_dr.model.selector import LATEST
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.damage_marks import Judge
from catalyx_dr.operations.loading import LoadTarget, load, prove_order, try_schemas
from catalyx_dr.operations.progress import Progress
from catalyx_dr.operations.record_keeping import looking
from catalyx_dr.operations.restore_source import BucketSource, RestoreSource, VolumeSource, check_set
from catalyx_dr.operations.set_details import set_details
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.database_names import owner_of
from catalyx_dr.rules.recovery import choose

# The server beside the job, in its pod; only the pod itself reaches it, so that it needs no password.
BESIDE = PostgresServer(
    DatabaseServer(
        host="127.0.0.1",
        user="postgres",
        password=SecretKey(name="none", key="none"),
        maintenance_database="postgres",
        ssl_mode="disable",
    ),
    "",
)


def drill(
    spec: ValidatorSpec,
    surroundings: Surroundings,
    server: PostgresServer = BESIDE,
    patience: timedelta = timedelta(minutes=5),
) -> Record:
    """Restore the newest proven set into `server`, which has nothing to lose; `patience`: until it answers.

    Proves order, identity and counts, and records how long a restore takes. A set that cannot be restored is marked
    as damaged. Raises RefusedError, UnreachableError, UnprovenError or CatalyxDrError; nothing stays in any case.
    """
    if spec.drill is None:
        raise RefusedError(f"validator {spec.name!r} declares no drill; write drill: {{}} for the defaults")
    source = _source(spec, spec.drill, surroundings)
    with (
        looking(RecordKind.DRILL, spec.name, surroundings, spec.drill.deadline) as progress,
        disk_explained(surroundings.scratch),
    ):
        return _Run(spec, spec.drill, source, surroundings, progress, server, patience).go()


def _source(spec: ValidatorSpec, declared: Drill, surroundings: Surroundings) -> RestoreSource:
    backup, identity = spec.backup, declared.age_identity
    if declared.source == "volume":
        if backup is None or backup.volume is None:
            raise RefusedError("drill.source is volume, and the backup has none; write source: bucket and ageIdentity")
        return VolumeSource(VolumeStore(surroundings.volume, spec))
    if backup is None or backup.bucket is None or identity is None:
        raise RefusedError("a drill from the bucket needs backup.bucket and drill.ageIdentity, a Secret and its key")
    sets = BucketSets(BucketStore.reach(backup.bucket, surroundings.secrets), spec)
    identities = AgeIdentities.read(surroundings.secrets.path(identity.name, identity.key))
    return BucketSource(sets, identities, surroundings.scratch)


@dataclass(frozen=True)
class _Run:
    spec: ValidatorSpec
    declared: Drill
    source: RestoreSource
    surroundings: Surroundings
    progress: Progress
    server: PostgresServer
    patience: timedelta

    def go(self) -> Record:
        """Go through all phases."""
        self.progress.phase("choose the set", 2)
        manifest = self.source.manifest(choose(self.source.captures(), LATEST).identifier)
        self.progress.remember(**{READ_SET: manifest.set_id}, source=self.declared.source)
        self.source.check_opens(manifest)
        self.progress.phase("wait for the throw-away server", 5)
        targets = self._targets(manifest, self._version())
        begun = self.surroundings.now()
        with self._thrown_away(targets), self._judged(manifest):
            self._restore(manifest, targets)
        return self._complete(manifest, begun)

    def _version(self) -> ServerVersion:
        if not came_true(self._answers, self.patience):
            raise UnreachableError(
                f"the throw-away server did not answer within {int(self.patience.total_seconds())} s; look at the log "
                "of the pod's container postgres: drill.image, drill.runAsUser and drill.storage are its settings"
            )
        return self.server.version()

    def _answers(self) -> bool:
        try:
            self.server.version()
        except UnreachableError:
            return False
        return True

    def _targets(self, manifest: Manifest, version: ServerVersion) -> tuple[LoadTarget, ...]:
        majors = {capture.server_version.partition(".")[0] for capture in manifest.databases}
        if majors != {str(version.major)}:
            raise RefusedError(
                f"set {manifest.set_id} is of PostgreSQL {' and '.join(sorted(majors))}, the throw-away server is "
                f"{version}; write drill.image: docker.io/library/postgres:{max(majors)}"
            )
        client = client_for(version, self.surroundings.scratch)
        return tuple(
            LoadTarget(
                role=role,
                database=self.spec.databases.of(role),
                server=self.server,
                client=client,
                loading=f"drill_{role}",
                replaced="",
                mark=f"catalyx-dr: drill {self.progress.record.identifier}",
                owner=owner_of(self.spec),
                request_id=self.progress.record.identifier,
                owners=roles is not None,
                as_role=None if roles is None or roles.superuser or self.declared.as_superuser else roles.user,
            )
            for role in DatabaseRole
            for roles in (manifest.capture(role).roles,)
        )

    def _restore(self, manifest: Manifest, targets: tuple[LoadTarget, ...]) -> None:
        jobs = self.spec.backup.parallel_jobs if self.spec.backup else 1
        self.progress.phase("fetch the set", 10)
        try:
            folder = self.source.fetch(manifest)
            self.progress.phase("check the set", 25)
            check_set(manifest, folder, jobs)
            self._try(manifest, targets, folder)
            for target, percent in zip(targets, (40, 55), strict=True):
                self.progress.phase(f"load {target.role}", percent)
                load(target, manifest, folder, jobs, self.progress.attend)
        finally:
            self.source.release(manifest)
        self.progress.phase("prove the order", 95)
        prove_order(targets, lambda target: target.loading)

    def _try(self, manifest: Manifest, targets: tuple[LoadTarget, ...], folder: Path) -> None:
        """Load everything but rows with the rights of a restore's user; raises RefusedError for what needs more."""
        self.progress.phase("try the schemas", 35)
        with self.server.maintenance() as connection:
            for capture in manifest.databases:
                if capture.roles is not None:
                    make_roles(connection, capture.roles)
        try:
            try_schemas(targets, folder)
        except RefusedError as error:
            raise RefusedError(
                f"a restore of this set would be refused: {error}; where a managed service lets its user do that, "
                "write drill.asSuperuser: true"
            ) from None

    @contextmanager
    def _thrown_away(self, targets: tuple[LoadTarget, ...]) -> Iterator[None]:
        """Drop what was loaded, however it ends; the server itself goes with the pod."""
        try:
            yield
        finally:
            for target in targets:
                with suppress(CatalyxDrError):
                    target.discard()

    @contextmanager
    def _judged(self, manifest: Manifest) -> Iterator[None]:
        """Mark a set that cannot be restored, unless retention took it away meanwhile."""
        try:
            yield
        except UnprovenError as error:
            if manifest.set_id not in {capture.identifier for capture in self.source.captures()}:
                raise CatalyxDrError(
                    f"retention removed set {manifest.set_id} during the drill; keep more sets, or choose another hour"
                ) from None
            flaw = Flaw(Grade.DAMAGED, self.declared.source, manifest.set_id, f"a drill could not restore it: {error}")
            judge = Judge(
                RecordKind.BACKUP_SET,
                self.spec.name,
                self.surroundings.records,
                self.surroundings.now(),
                self.progress.note,
            )
            judge.judge(self.declared.source, self.source.marks, (), [flaw])
            raise

    def _complete(self, manifest: Manifest, begun: datetime) -> Record:
        seconds = int((self.surroundings.now() - begun).total_seconds())
        rows = sum(sum(capture.row_counts.values()) for capture in manifest.databases)
        details: dict[str, JsonValue] = {
            **set_details(manifest),
            "recoverySeconds": seconds,
            "rows": rows,
        }
        return self.progress.complete(
            f"set {manifest.set_id} from the {self.declared.source} restored and proven in {seconds} s, and thrown "
            f"away: order, identity {manifest.participant_id} and {rows} rows",
            size=manifest.bytes,
            details=details,
        )
