"""The backup volume holds what it must (vendor guide, Storage Recommendations)."""

from collections.abc import Iterator

from catalyx_dr.model.backup import BackupVolume
from catalyx_dr.model.quantity import LARGEST
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule
from catalyx_dr.rules.sizing import BackupVolumeSize, backup_volume_size


@rule(
    "DR040",
    "Headroom covers the set in flight",
    severity="warning",
    why="The oldest set goes only after the new one is proven, so that one more set than the kept ones lies on the "
    "volume. The vendor's formula does not count it; headroom must.",
    source="vendor guide, Storage Recommendations; practice of the field: retention + 1",
)
def covers_set_in_flight(stack: Stack) -> Iterator[Found]:
    """Report a volume without room for one more set."""
    for path, validator, volume, size in _volumes(stack):
        if not size.covers_set_in_flight and not size.capped and volume.headroom_percent:
            yield Found(
                Severity.WARNING,
                f"{path}.headroomPercent",
                validator.name,
                f"headroom of {size.headroom} is less than one more set of {size.database_storage}",
                f"write headroomPercent: {size.headroom_for_set_in_flight}",
            )


@rule(
    "DR041",
    "There is headroom",
    severity="error in production and critical, else warning",
    why="Databases grow between two runs, and the set in flight needs its place: without headroom the volume is full "
    "before the job can grow it.",
    source="vendor guide, Storage Recommendations",
)
def has_headroom(stack: Stack) -> Iterator[Found]:
    """Report a volume of the bare formula."""
    for path, validator, volume, size in _volumes(stack):
        if volume.headroom_percent == 0:
            yield Found(
                stack.severity(),
                f"{path}.headroomPercent",
                validator.name,
                f"{size.formula} is exactly {size.backups} sets, and nothing more",
                f"write headroomPercent: {size.headroom_for_set_in_flight}",
            )


@rule(
    "DR042",
    "The limit leaves room for what is kept",
    severity="error",
    why="A volume that may not grow to the size of its own retention fails on the day it is full.",
    source="vendor guide, Storage Recommendations",
)
def limit_leaves_room(stack: Stack) -> Iterator[Found]:
    """Report a limit below the wanted size, or below which no volume of that size can be."""
    for path, validator, volume, size in _volumes(stack):
        if size.size.bytes > LARGEST:
            yield Found(
                Severity.ERROR,
                f"{path}.retention",
                validator.name,
                f"{size.backups} sets need {size.size.words}, which is more than Kubernetes can count",
                "keep fewer sets, and see that the storage of the databases has the right unit",
            )
        if size.capped:
            yield Found(
                Severity.ERROR,
                f"{path}.limit",
                validator.name,
                f"the limit {volume.limit} is below the {size.wanted} that {size.backups} sets need",
                f"write limit: {size.wanted} or more, or keep fewer sets",
            )


def _volumes(stack: Stack) -> Iterator[tuple[str, ValidatorSpec, BackupVolume, BackupVolumeSize]]:
    for path, validator in stack.validators():
        if validator.backup is not None and validator.backup.volume is not None:
            size = backup_volume_size(validator.backup, validator.databases)
            yield f"{path}.backup.volume", validator, validator.backup.volume, size


RULES = (covers_set_in_flight, has_headroom, limit_leaves_room)
