"""Takes a backup set by CSI snapshots: check, snapshot in order, prove, publish, prune, record."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pydantic import JsonValue

from catalyx_dr import __version__
from catalyx_dr.adapters import canton_database, postgres
from catalyx_dr.adapters.postgres import PostgresServer, ServerVersion
from catalyx_dr.adapters.run_lease import Held
from catalyx_dr.adapters.volume_snapshots import IN_SNAPSHOTS, SnapshotStore, captures, published
from catalyx_dr.model.backup import VolumeSnapshots
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnprovenError, UnreachableError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import Record, RecordKind, RecordStatus, object_name
from catalyx_dr.model.snapshot_set import DatabaseState, SnapshotCapture, SnapshotManifest
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.backup_pruning import Destination, close_unfinished, prune_at
from catalyx_dr.operations.network import upgrade_facts
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.set_details import set_details
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.operations.unproven_import import attention_to_imports
from catalyx_dr.rules.snapshot_order import SnapshotStep, check_snapshot_order, snapshot_steps


def snapshot(spec: ValidatorSpec, surroundings: Surroundings, store: SnapshotStore) -> Record:
    """Take one set. Its snapshots are all ready, in order and published, or none of them stays.

    Raises RefusedError before anything is asked for; UnprovenError or UnreachableError after, with the phase in the
    record.
    """
    if spec.backup is None or spec.backup.snapshot is None:
        raise RefusedError(f"validator {spec.name!r} declares no backup by snapshot; declare method and snapshot")
    with surroundings.leases.only_run(spec.name) as lease:
        set_id = capture_id(surroundings.now())
        _conclude_published(spec, surroundings, store)
        close_unfinished(spec, surroundings)
        with reporting(RecordKind.BACKUP_SET, set_id, spec.name, surroundings.records, surroundings.now) as progress:
            return _Run(spec, spec.backup.snapshot, surroundings, store, progress, set_id, lease).take()


def _conclude_published(spec: ValidatorSpec, surroundings: Surroundings, store: SnapshotStore) -> None:
    """Sets whose runs were cut off after they had published them are sets: their records say so from now on."""
    manifests = {one.set_id: one for one in published(store.found())}
    for record in surroundings.records.legible(spec.name, RecordKind.BACKUP_SET).records:
        manifest = manifests.get(record.identifier)
        if manifest is None or record.status is RecordStatus.COMPLETED:
            continue
        concluded = {
            "status": RecordStatus.COMPLETED,
            "phase": "completed",
            "percent": 100,
            "finished": manifest.snapshots[-1].ready,
            "message": f"{_proven(manifest)}; its run was cut off after that",
            "bytes": manifest.bytes,
            "locations": (IN_SNAPSHOTS,),
            "details": {**record.details, **_details(manifest)},
        }
        surroundings.records.save(record.model_copy(update=concluded))


def _proven(manifest: SnapshotManifest) -> str:
    names = ", ".join(f"{one.name} ({one.restore_size.words})" for one in manifest.snapshots)
    return f"proven in snapshots: {names}"


def _details(manifest: SnapshotManifest) -> dict[str, JsonValue]:
    snapshots: list[JsonValue] = [one.name for one in manifest.snapshots]
    return {**set_details(manifest), "snapshots": snapshots}


@dataclass(frozen=True)
class _Run:
    spec: ValidatorSpec
    wanted: VolumeSnapshots
    surroundings: Surroundings
    store: SnapshotStore
    progress: Progress
    set_id: str
    lease: Held

    def take(self) -> Record:
        """Go through all phases."""
        self.progress.phase("check", 2)
        for role in DatabaseRole:
            self._state(role)
        for step in snapshot_steps(self.spec.databases):
            self.store.source(step.volume.claim)
        self._clean()
        with self._abandoned_on_failure():
            manifest = self._capture()
            self.progress.phase("prove the order", 80)
            check_snapshot_order(manifest)
            for told in attention_to_imports(self.spec, self.surroundings, manifest.participant_id):
                self.progress.attend(told)
            self.progress.phase("publish", 85)
            self.lease.check()
            self.store.publish(manifest.snapshots[-1].name, manifest)
            if manifest not in published(self.store.found()):
                raise UnreachableError(
                    f"set {self.set_id} was published and is not listed; look at its VolumeSnapshots"
                )
        self.progress.phase("remove by retention", 90)
        lost = self._note_lost()
        faults = prune_at([self._destination()], self.spec, self.surroundings, self.progress, manifest.participant_id)
        return self._complete(manifest, [*lost, *faults])

    def _capture(self) -> SnapshotManifest:
        steps = snapshot_steps(self.spec.databases)
        upgrade = upgrade_facts(self.spec)
        states: dict[DatabaseRole, DatabaseState] = {}
        taken: list[SnapshotCapture] = []
        participant_id: str | None = None
        for step, percent in zip(steps, (10, 45), strict=False):
            before = [self._state(role) for role in step.roles]
            earlier, participant_id = participant_id, self._participant_id()
            if taken and participant_id != earlier:
                raise UnprovenError(f"participant {earlier} was replaced by {participant_id} while the set was taken")
            taken.append(self._take(step, percent))
            after = [self._state(role) for role in step.roles]
            # What is read before is the least that a snapshot holds; of the app alone the most counts.
            counted = after if step.roles == (DatabaseRole.VALIDATOR_APP,) else before
            for state, first, last in zip(counted, before, after, strict=True):
                filled = tuple(table for table in first.filled_tables if table in last.filled_tables)
                states[state.role] = state.model_copy(update={"filled_tables": filled})
        return SnapshotManifest(
            set_id=self.set_id,
            validator=self.spec.name,
            namespace=self.spec.namespace,
            party_hint=self.spec.party_hint,
            participant_id=participant_id,
            migration_id=self.spec.migration_id,
            synchronizer_serial=upgrade.serial if upgrade else None,
            databases=(states[DatabaseRole.VALIDATOR_APP], states[DatabaseRole.PARTICIPANT]),
            snapshots=tuple(taken),
            tool_version=__version__,
        )

    def _take(self, step: SnapshotStep, percent: int) -> SnapshotCapture:
        claim = step.volume.claim
        self.progress.phase(f"snapshot claim {claim} ({', '.join(step.roles)})", percent)
        name, asked = ObjectNames.of(self.spec).snapshot(self.set_id, step.part), self.surroundings.now()
        self.store.create(name, self.set_id, claim, self.wanted.volume_snapshot_class)
        found = self.store.wait_ready(name, self.wanted.ready_within)
        if found.taken is None or found.restore_size is None:
            raise UnreachableError(f"VolumeSnapshot {name} is ready without creation time and restore size")
        return SnapshotCapture(
            name=name,
            claim=claim,
            stateful_set=step.volume.stateful_set,
            roles=step.roles,
            asked=asked,
            taken=found.taken,
            ready=self.surroundings.now(),
            restore_size=found.restore_size,
            source=self.store.source(claim),
        )

    def _state(self, role: DatabaseRole) -> DatabaseState:
        database = self.spec.databases.of(role)
        server = PostgresServer.reach(self.spec.databases.server_of(role), self.surroundings.secrets)
        with server.connect(database.name) as connection:
            canton_database.check_is_database_of(connection, role, database)
            return DatabaseState(
                role=role,
                database=database.name,
                server_version=str(ServerVersion(connection.info.server_version)),
                database_bytes=postgres.database_bytes(connection),
                ledger_offset=canton_database.ledger_offset(connection, role, database.schema_name),
                filled_tables=canton_database.filled_tables(connection),
            )

    def _participant_id(self) -> str | None:
        database = self.spec.databases.participant
        at = self.spec.databases.server_of(DatabaseRole.PARTICIPANT)
        with PostgresServer.reach(at, self.surroundings.secrets).connect(database.name) as connection:
            return canton_database.participant_id(connection, database.schema_name)

    @contextmanager
    def _abandoned_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with suppress(CatalyxDrError):
                self._remove(self.set_id)
            raise

    def _clean(self) -> None:
        """Remove what killed runs left: only this run has the lease. A set that was completed stays, whatever became
        of its manifest: people may still save it. One that retention had begun to remove goes.
        """
        found, known = self.store.found(), self.surroundings.records.legible(self.spec.name, RecordKind.BACKUP_SET)
        completed = {
            record.identifier
            for record in known.records
            if record.status is RecordStatus.COMPLETED and (record.locations or record.damaged)
        }
        sets = {one.set_id for one in found} - {one.set_id for one in found if one.manifest is not None}
        for set_id in sorted(sets - completed):
            if object_name(RecordKind.BACKUP_SET, self.spec.name, set_id) in known.faults:
                continue  # it may have been completed
            self._remove(set_id)
            self.progress.note(f"removed {set_id}, which an unfinished run left")

    def _destination(self) -> Destination:
        def listed() -> list[Capture]:
            records = self.surroundings.records.list(self.spec.name, RecordKind.BACKUP_SET)
            return captures(self.spec, self.store.found(), records)

        return Destination(IN_SNAPSHOTS, self.wanted.retention, listed, self._remove)

    def _remove(self, set_id: str) -> bool:
        """Remove a set: first the snapshot that makes it one."""
        mine = [one for one in self.store.found() if one.set_id == set_id]
        for one in sorted(mine, key=lambda one: one.manifest is None):
            self.store.delete(one.name)
        return True

    def _note_lost(self) -> list[str]:
        """Keep the records true of sets whose snapshots somebody else deleted."""
        whole = {manifest.set_id for manifest in published(self.store.found())}
        lost = [
            record
            for record in self.surroundings.records.legible(self.spec.name, RecordKind.BACKUP_SET).records
            if record.is_sound_in(IN_SNAPSHOTS) and record.identifier not in whole
        ]
        for record in lost:
            gone = {**record.damaged, IN_SNAPSHOTS: "its VolumeSnapshots are not there, or not ready"}
            self.surroundings.records.save(record.model_copy(update={"damaged": gone}))
        return [f"set {record.identifier} lost its VolumeSnapshots; it was not removed by retention" for record in lost]

    def _complete(self, manifest: SnapshotManifest, faults: list[str]) -> Record:
        return self.progress.complete(
            "; ".join([_proven(manifest), *(f"attention: {fault}" for fault in faults)]),
            size=manifest.bytes,
            locations=(IN_SNAPSHOTS,),
            details=_details(manifest),
        )
