"""Room for the next backup set: the volume grows before the dump, or the run says why it does not."""

from catalyx_dr.adapters.backup_claims import BackupClaim
from catalyx_dr.adapters.volume_store import VolumeStore
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.progress import Progress
from catalyx_dr.rules.volume_growth import Measured, VolumeDemand, volume_demand


def make_room(
    spec: ValidatorSpec,
    backup: DatabaseBackup,
    claim: BackupClaim | None,
    work: VolumeStore,
    measured: Measured,
    progress: Progress,
) -> list[str]:
    """Let the volume grow as the rule says and wait for it; returns what kept it from growing, in words.

    A set that fits all the same is taken. Raises RefusedError, with the reason, when it would not fit.
    """
    obstacles = _grow(spec, backup, claim, measured, progress) if claim is not None and backup.volume else []
    free = work.free_bytes()
    if free >= measured.expected_set:
        return obstacles
    raise RefusedError(
        "; ".join(
            [
                f"{work.root} has {free} bytes free, and this set is expected to take {measured.expected_set}",
                *(obstacles or ["enlarge the volume (more headroom or a higher limit) or keep fewer sets"]),
            ]
        )
    )


def _grow(
    spec: ValidatorSpec, backup: DatabaseBackup, claim: BackupClaim, measured: Measured, progress: Progress
) -> list[str]:
    obstacles = []
    try:
        size = claim.size()
        demand = volume_demand(backup, spec.databases, size.requested, size.capacity, measured)
        limit = demand.limit_reached
        if limit is not None:
            obstacles.append(_limit_reached(demand, limit))
        growth = demand.growth
        if growth.grows:
            progress.phase(f"grow the volume to {growth.size.words}", 3)
            claim.grow(growth.size)
            progress.remember(volume={"from": str(size.requested), "to": str(growth.size), "why": demand.explanation})
        if size.capacity < growth.size:
            claim.wait_grown(growth.size)
        progress.note(f"the volume {growth} ({demand.explanation})")
    except CatalyxDrError as error:
        obstacles.append(f"the volume did not grow: {error}")
    for obstacle in obstacles:
        progress.note(obstacle)
    return obstacles


def _limit_reached(demand: VolumeDemand, limit: Quantity) -> str:
    return (
        f"the volume's limit of {limit.words} is reached, {demand.wanted.words} would be right ({demand.explanation}); "
        "raise backup.volume.limit or keep fewer sets"
    )
