"""Which volumes are snapshotted in which order, and the proof of it (domain 1.1; 2: Splice's own backup script).

The app's snapshot is ready before the participant's is asked for. Where one server holds both databases, one snapshot
of its volume holds both at one moment, and no order is needed (domain 3).
"""

from dataclasses import dataclass

from catalyx_dr.model.databases import DatabaseRole, Databases, ServerVolume
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.snapshot_set import SnapshotManifest, part_of
from catalyx_dr.rules.capture_order import check_offsets

_SHOWN = 3


@dataclass(frozen=True)
class SnapshotStep:
    """One snapshot to be taken: of which volume, and which databases it holds."""

    volume: ServerVolume
    roles: tuple[DatabaseRole, ...]

    @property
    def part(self) -> str:
        """Name of what it holds, for the name of the object."""
        return part_of(self.roles)


def snapshot_steps(databases: Databases) -> tuple[SnapshotStep, ...]:
    """Steps in their order; raises ValueError when the volume of a server is not declared."""
    volumes = {role: databases.server_of(role).volume for role in DatabaseRole}
    app, participant = volumes[DatabaseRole.VALIDATOR_APP], volumes[DatabaseRole.PARTICIPANT]
    if app is None or participant is None:
        raise ValueError("the volume of a database server is not declared")
    if app.claim == participant.claim:
        return (SnapshotStep(app, tuple(DatabaseRole)),)
    return (
        SnapshotStep(app, (DatabaseRole.VALIDATOR_APP,)),
        SnapshotStep(participant, (DatabaseRole.PARTICIPANT,)),
    )


def stateful_sets(databases: Databases) -> tuple[str, ...]:
    """Names of the servers' StatefulSets; raises ValueError as the steps do."""
    return tuple(sorted({step.volume.stateful_set for step in snapshot_steps(databases)}))


def check_snapshot_order(manifest: SnapshotManifest) -> None:
    """Raise UnprovenError unless the app's snapshot was ready before the participant's was asked for, and not ahead."""
    app = manifest.snapshot_of(DatabaseRole.VALIDATOR_APP)
    participant = manifest.snapshot_of(DatabaseRole.PARTICIPANT)
    if app != participant and app.ready > participant.asked:
        raise UnprovenError(
            f"snapshot {app.name} of the validator app was ready at {app.ready:%H:%M:%S.%f}, after {participant.name} "
            f"of the participant was asked for at {participant.asked:%H:%M:%S.%f}; such a set cannot be used"
        )
    check_offsets(
        manifest.state(DatabaseRole.VALIDATOR_APP).ledger_offset,
        manifest.state(DatabaseRole.PARTICIPANT).ledger_offset,
    )


@dataclass(frozen=True)
class RestoredState:
    """What a server on restored claims holds; `lacking`: tables without a row, or not there, that were filled."""

    participant_id: str | None
    ingested: int | None
    ledger_end: int | None
    lacking: tuple[str, ...] = ()


def check_restored(manifest: SnapshotManifest, found: RestoredState) -> None:
    """Raise UnprovenError unless restored snapshots hold what the set promises: participant, order, ledger, rows."""
    if found.participant_id != manifest.participant_id:
        raise UnprovenError(
            f"the restored database is of participant {found.participant_id}, the set is of {manifest.participant_id}"
        )
    check_offsets(found.ingested, found.ledger_end)
    least = manifest.state(DatabaseRole.PARTICIPANT).ledger_offset
    if least is not None and (found.ledger_end is None or found.ledger_end < least):
        raise UnprovenError(
            f"the restored ledger ends at {found.ledger_end}, and {least} was there before the snapshot was taken"
        )
    if found.lacking:
        more = f" and {len(found.lacking) - _SHOWN} more" if len(found.lacking) > _SHOWN else ""
        raise UnprovenError(
            f"no row was restored of {', '.join(found.lacking[:_SHOWN])}{more}, each of which had 1000 or more before "
            "the snapshot was taken and after it"
        )
