"""Restores a set of snapshots into new claims and proves it on throw-away servers; the present claims are not touched.

Putting the new claims in the place of the present ones is a step of its own (`claim_switch`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from pydantic import JsonValue

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.volume_snapshots import SnapshotStore
from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import READ_SET, Record, RecordKind, RecordStatus
from catalyx_dr.model.snapshot_set import SnapshotManifest
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.restore import RestoreOrder, begun_with
from catalyx_dr.operations.snapshot_preflight import snapshot_facts, verdicts_on
from catalyx_dr.operations.snapshot_trial import PATIENCE, SnapshotTrial
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.snapshot_order import snapshot_steps
from catalyx_dr.rules.verdict import require

CLAIMS, SERVERS = "claims", "statefulSets"


def restore_snapshots(
    spec: ValidatorSpec,
    order: RestoreOrder,
    surroundings: Surroundings,
    cluster: Cluster,
    store: SnapshotStore,
    patience: timedelta = PATIENCE,
) -> Record:
    """Make claims from a set's snapshots and prove them.

    A completed request is returned as it was; one that was cut off goes on with its set. Raises RefusedError before
    anything is made; after any other error what was made is removed. The validator runs on, on its own claims.
    """
    earlier = surroundings.records.find(RecordKind.RESTORE, spec.name, order.request_id)
    if earlier is not None and earlier.status is RecordStatus.COMPLETED:
        return earlier
    begun = begun_with(earlier)
    with reporting(
        RecordKind.RESTORE, order.request_id, spec.name, surroundings.records, surroundings.now, **begun
    ) as progress:
        trial = SnapshotTrial(
            spec,
            partial(ObjectNames.of(spec).restored, order.request_id),
            surroundings,
            cluster,
            patience,
            progress,
        )
        return _Run(spec, order, surroundings, cluster, store, progress, trial).go(
            str(begun.get(READ_SET, order.set_id))
        )


@dataclass(frozen=True)
class _Run:
    spec: ValidatorSpec
    order: RestoreOrder
    surroundings: Surroundings
    cluster: Cluster
    store: SnapshotStore
    progress: Progress
    trial: SnapshotTrial

    def go(self, selector: str) -> Record:
        """Go through all phases."""
        self.progress.phase("preflight", 2)
        chosen = snapshot_facts(self.spec, selector, self.surroundings, self.store)
        verdicts = verdicts_on(self.spec, self.order, chosen, self.surroundings, self.cluster)
        self.progress.judge(verdicts, self.order.overrides)
        require(verdicts)
        if chosen.snapshots is None:
            raise UnprovenError(chosen.fault)
        self.progress.remember(**{READ_SET: chosen.snapshots.set_id})
        self._remove_leftovers()
        with self._removed_on_failure(chosen.snapshots):
            rows = self.trial.prove(chosen.snapshots)
        return self._complete(chosen.snapshots, rows)

    def _remove_leftovers(self) -> None:
        """Remove what other requests left that were cut off: `pulumi up` starts no recovery beside another one."""
        parts = tuple(step.part for step in snapshot_steps(self.spec.databases))
        for record in self.surroundings.records.list(self.spec.name, RecordKind.RESTORE):
            if record.status is RecordStatus.COMPLETED or record.identifier == self.order.request_id:
                continue
            names = partial(ObjectNames.of(self.spec).restored, record.identifier)
            for fault in replace(self.trial, name=names).remove(parts):
                self.progress.note(f"attention: {fault}")
            if record.status is RecordStatus.RUNNING:
                closed = record.killed(self.surroundings.now(), f"restore {self.order.request_id}")
                self.surroundings.records.save(closed)
                self.progress.note(f"removed what restore {record.identifier} left, which was cut off")

    @contextmanager
    def _removed_on_failure(self, manifest: SnapshotManifest) -> Iterator[None]:
        try:
            yield
        except BaseException:
            for fault in self.trial.remove(tuple(one.part for one in manifest.snapshots)):
                self.progress.note(f"attention: {fault}")
            raise

    def _complete(self, manifest: SnapshotManifest, rows: int) -> Record:
        claims = {snapshot.claim: name for name, snapshot in self.trial.claims(manifest).items()}
        seconds = int((self.surroundings.now() - self.progress.record.started).total_seconds())
        made = ", ".join(f"{new} (for {old})" for old, new in claims.items())
        command = f"catalyx-dr switch-claims --namespace {self.spec.namespace} --request {self.order.request_id}"
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
