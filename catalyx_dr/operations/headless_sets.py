"""Sets in the bucket that were completed and lost their manifest: no leftovers of a killed run, and no sets either."""

from collections.abc import Collection

from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.model.backup_set import MANIFEST_NAME
from catalyx_dr.model.flaw import Flaw, Grade
from catalyx_dr.model.record import RecordKind, RecordStatus, object_name
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.backup_pruning import IN_BUCKET
from catalyx_dr.operations.damage_marks import Judge
from catalyx_dr.operations.progress import Progress
from catalyx_dr.operations.surroundings import Surroundings


def note_headless(
    spec: ValidatorSpec, surroundings: Surroundings, bucket: BucketSets, resumed: Collection[str], progress: Progress
) -> dict[str, str]:
    """Ids of such sets, and what people can do; their records tell it too. `resumed`: the volume writes them again.

    A set whose record cannot be read may be one.
    """
    found = surroundings.records.legible(spec.name, RecordKind.BACKUP_SET)
    completed = {
        record.identifier
        for record in found.records
        if record.status is RecordStatus.COMPLETED and IN_BUCKET in record.locations
    }
    flaws = [
        headless(bucket, set_id)
        for set_id in bucket.headless()
        if set_id not in resumed
        and (set_id in completed or object_name(RecordKind.BACKUP_SET, spec.name, set_id) in found.faults)
    ]
    judge = Judge(RecordKind.BACKUP_SET, spec.name, surroundings.records, surroundings.now(), progress.note)
    judge.judge(IN_BUCKET, None, (), flaws)
    return {flaw.capture: f"set {flaw.capture} in the bucket counts for nothing: {flaw.text}" for flaw in flaws}


def headless(bucket: BucketSets, set_id: str) -> Flaw:
    """What is wrong with such a set."""
    key = bucket.key(set_id, MANIFEST_NAME)
    text = (
        f"its manifest is not there, its objects are: restore the older version of {key} where the bucket is "
        "versioned, else remove them by hand"
    )
    return Flaw(Grade.HEADLESS, IN_BUCKET, set_id, text)
