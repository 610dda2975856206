"""Restores a set of snapshots into new claims and proves it on throw-away servers; the present claims are not touched.

Putting the new claims in the place of the present ones is a step of its own (`claim_switch`).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from catalyx_dr.adapters import canton_database
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.adapters.restored_claims import make_claim, remove_claim
from catalyx_dr.adapters.trial_server import server_of, trial_server
from catalyx_dr.adapters.volume_snapshots import SnapshotStore, published
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import READ_SET, Record, RecordKind, RecordStatus
from catalyx_dr.model.snapshot_set import SnapshotCapture, SnapshotManifest
from catalyx_dr.model.validator_spec import DatabaseRole, DatabaseServer, ValidatorSpec
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.recovery import choose
from catalyx_dr.rules.snapshot_order import RestoredState, check_restored, snapshot_verdicts
from catalyx_dr.rules.verdict import Outcome, require

CLAIMS, SERVERS = "claims", "statefulSets"
# Recovery from the write-ahead log of a large server takes its time.
_PATIENCE = timedelta(minutes=30)


def restore_snapshots(
    spec: ValidatorSpec,
    selector: str,
    request_id: str,
    surroundings: Surroundings,
    cluster: Cluster,
    store: SnapshotStore,
    patience: timedelta = _PATIENCE,
) -> Record:
    """Make claims from a set's snapshots and prove them; `selector` is an id or `latest`.

    A completed request is returned as it was. Raises RefusedError before anything is made; after any other error what
    was made is removed. The validator runs on, on its own claims, in any case.
    """
    earlier = surroundings.records.find(RecordKind.RESTORE, spec.name, request_id)
    if earlier is not None and earlier.status is RecordStatus.COMPLETED:
        return earlier
    chosen = str(earlier.details.get(READ_SET, selector)) if earlier else selector
    with reporting(RecordKind.RESTORE, request_id, spec.name, surroundings.records, surroundings.now) as progress:
        return _Run(spec, request_id, surroundings, cluster, store, patience, progress).go(chosen)


@dataclass(frozen=True)
class _Run:
    spec: ValidatorSpec
    request_id: str
    surroundings: Surroundings
    cluster: Cluster
    store: SnapshotStore
    patience: timedelta
    progress: Progress

    def go(self, selector: str) -> Record:
        """Go through all phases."""
        self.progress.phase("preflight", 2)
        manifest = self._chosen(selector)
        self.progress.remember(**{READ_SET: manifest.set_id})
        verdicts = snapshot_verdicts(self.spec, manifest, self.surroundings.now())
        for verdict in verdicts:
            if verdict.outcome is Outcome.WARNING:
                self.progress.note(str(verdict))
        require(verdicts)
        with self._removed_on_failure(manifest), ExitStack() as servers:
            at: dict[DatabaseRole, DatabaseServer] = {}
            for snapshot, percent in zip(manifest.snapshots, (10, 40), strict=False):
                at |= self._serve(snapshot, percent, servers)
            self.progress.phase("read and prove the restored databases", 70)
            rows = self._prove(manifest, at)
            self.progress.phase("end the throw-away servers", 90)
        return self._complete(manifest, rows)

    def _chosen(self, selector: str) -> SnapshotManifest:
        found = self.store.found()
        whole = {manifest.set_id: manifest for manifest in published(found)}
        named = {one.manifest.set_id for one in found if one.manifest is not None}
        return whole[choose([Capture.named(name, proven=name in whole) for name in named], selector).identifier]

    def _serve(self, snapshot: SnapshotCapture, percent: int, servers: ExitStack) -> dict[DatabaseRole, DatabaseServer]:
        name = self._claim(snapshot)
        self.progress.phase(f"restore {snapshot.name} into claim {name} and start a server on it", percent)
        make_claim(self.cluster, self.spec.name, name, snapshot)
        pod = servers.enter_context(trial_server(self.cluster, self.spec.name, name, snapshot, self.patience))
        return {role: server_of(pod, self.spec.databases.server_of(role)) for role in snapshot.roles}

    def _claim(self, snapshot: SnapshotCapture) -> str:
        part = "databases" if len(snapshot.roles) > 1 else snapshot.roles[0]
        return ObjectNames.of(self.spec).job(f"restored-{part}", self.request_id)

    def _prove(self, manifest: SnapshotManifest, at: dict[DatabaseRole, DatabaseServer]) -> int:
        """Check what the set promises; every row is read, so that a page that cannot be is found now."""
        offsets: dict[DatabaseRole, int | None] = {}
        participant_id, rows = None, 0
        for role in DatabaseRole:
            database = self.spec.databases.of(role)
            with PostgresServer.reach(at[role], self.surroundings.secrets).connect(database.name) as connection:
                canton_database.check_is_database_of(connection, role, database)
                offsets[role] = canton_database.ledger_offset(connection, role, database.schema_name)
                if role is DatabaseRole.PARTICIPANT:
                    participant_id = canton_database.participant_id(connection, database.schema_name)
                rows += sum(canton_database.row_counts(connection).values())
        ingested, end = (offsets[role] for role in DatabaseRole)
        check_restored(manifest, RestoredState(participant_id, ingested, end))
        return rows

    @contextmanager
    def _removed_on_failure(self, manifest: SnapshotManifest) -> Iterator[None]:
        try:
            yield
        except BaseException:
            for snapshot in manifest.snapshots:
                try:
                    remove_claim(self.cluster, self._claim(snapshot))
                except CatalyxDrError as error:
                    self.progress.note(f"attention: {error}")
            raise

    def _complete(self, manifest: SnapshotManifest, rows: int) -> Record:
        claims = {snapshot.claim: self._claim(snapshot) for snapshot in manifest.snapshots}
        seconds = int((self.surroundings.now() - self.progress.record.started).total_seconds())
        made = ", ".join(f"{new} (for {old})" for old, new in claims.items())
        command = f"catalyx-dr switch-claims --namespace {self.spec.namespace} --request {self.request_id}"
        details: dict[str, JsonValue] = {
            CLAIMS: dict(claims),
            SERVERS: {snapshot.claim: snapshot.stateful_set for snapshot in manifest.snapshots},
            "recoveryPoint": manifest.started.isoformat(),
            "recoverySeconds": seconds,
            "rows": rows,
            "participantId": manifest.participant_id,
        }
        return self.progress.complete(
            f"set {manifest.set_id} restored into {made} and proven in {seconds} s, {rows} rows read; the validator "
            f"runs on its own claims until these are switched to: {command}",
            size=manifest.bytes,
            details=details,
        )


def claims_of(record: Record) -> dict[str, str]:
    """Claim in use -> claim that a restore made for it; raises RefusedError when the record tells of none."""
    claims = record.details.get(CLAIMS)
    if record.status is not RecordStatus.COMPLETED or not isinstance(claims, dict):
        raise RefusedError(
            f"restore {record.identifier} is {record.status} and made no claims; only a completed restore from "
            "snapshots can be switched to"
        )
    return {old: str(new) for old, new in claims.items()}
