"""A set of snapshots as new claims with throw-away servers on them, and the proof of what they hold."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

from catalyx_dr.adapters import canton_database
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.adapters.restored_claims import make_claim, remove_claim
from catalyx_dr.adapters.trial_server import remove_trial, server_of, trial_server
from catalyx_dr.model.databases import DatabaseRole, DatabaseServer
from catalyx_dr.model.errors import CatalyxDrError
from catalyx_dr.model.snapshot_set import SnapshotCapture, SnapshotManifest
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.progress import Progress
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.snapshot_order import RestoredState, check_restored

# Recovery from the write-ahead log of a large server takes its time.
PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True)
class SnapshotTrial:
    """`name`: of the claim, and of the pod on it, for each part of a set (`databases`, or a role)."""

    spec: ValidatorSpec
    name: Callable[[str], str]
    surroundings: Surroundings
    cluster: Cluster
    patience: timedelta
    progress: Progress

    def claims(self, manifest: SnapshotManifest) -> dict[str, SnapshotCapture]:
        """Names of the claims that are made, and what they are made of."""
        return {self.name(snapshot.part): snapshot for snapshot in manifest.snapshots}

    def prove(self, manifest: SnapshotManifest) -> int:
        """Make the claims, run a server on each, read every row; the servers end, the claims stay. Returns the rows.

        Raises UnprovenError when they do not hold what the set promises. Claims that are there already are used.
        """
        with ExitStack() as servers:
            at: dict[DatabaseRole, DatabaseServer] = {}
            for snapshot, percent in zip(manifest.snapshots, (10, 40), strict=False):
                at |= self._serve(snapshot, percent, servers)
            self.progress.phase("read and prove the restored databases", 70)
            rows = self._prove(manifest, at)
            self.progress.phase("end the throw-away servers", 90)
        return rows

    def remove(self, parts: tuple[str, ...]) -> list[CatalyxDrError]:
        """End the servers of these parts, if any, and delete their claims; returns what went wrong with one or more."""
        faults = []
        for name in map(self.name, parts):
            try:
                remove_trial(self.cluster, name, self.patience)
                remove_claim(self.cluster, name)
            except CatalyxDrError as error:
                faults.append(error)
        return faults

    def _serve(self, snapshot: SnapshotCapture, percent: int, servers: ExitStack) -> dict[DatabaseRole, DatabaseServer]:
        name = self.name(snapshot.part)
        self.progress.phase(f"restore {snapshot.name} into claim {name} and start a server on it", percent)
        make_claim(self.cluster, self.spec.name, name, snapshot, self.patience)
        pod = servers.enter_context(trial_server(self.cluster, self.spec.name, name, snapshot, self.patience))
        return {role: server_of(pod, self.spec.databases.server_of(role)) for role in snapshot.roles}

    def _prove(self, manifest: SnapshotManifest, at: dict[DatabaseRole, DatabaseServer]) -> int:
        """Check what the set promises; every row is read, so that a page that cannot be is found now."""
        offsets: dict[DatabaseRole, int | None] = {}
        participant_id, rows, lacking = None, 0, list[str]()
        for role in DatabaseRole:
            database = self.spec.databases.of(role)
            with PostgresServer.reach(at[role], self.surroundings.secrets).connect(database.name) as connection:
                canton_database.check_is_database_of(connection, role, database)
                offsets[role] = canton_database.ledger_offset(connection, role, database.schema_name)
                if role is DatabaseRole.PARTICIPANT:
                    participant_id = canton_database.participant_id(connection, database.schema_name)
                counts = canton_database.row_counts(connection)
                rows += sum(counts.values())
                lacking += [table for table in manifest.state(role).filled_tables if not counts.get(table)]
        ingested, end = (offsets[role] for role in DatabaseRole)
        check_restored(manifest, RestoredState(participant_id, ingested, end, tuple(lacking)))
        return rows
