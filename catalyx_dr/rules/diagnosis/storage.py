"""The backup volume: missing, pending, too small, full (vendor guide, Troubleshooting: backup creation fails)."""

from collections.abc import Iterator

from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import RecordKind, RecordStatus
from catalyx_dr.rules.diagnosis.diagnosis import Diagnosis, Rule
from catalyx_dr.rules.diagnosis.facts import ClaimFacts, ClusterFacts
from catalyx_dr.rules.sizing import backup_volume_size

_ENOUGH_PERCENT = 120


def claim(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The claim is there and bound."""
    if facts.spec.backup is None or facts.spec.backup.volume is None:
        return
    name = ObjectNames.of(facts.spec).volume_claim
    found = facts.claim
    if found is None:
        yield Diagnosis(
            "claim-missing",
            f"claim {name}",
            "there is no such PersistentVolumeClaim",
            "it was deleted, and the backup sets on it with it unless its volume is retained",
            "pulumi refresh, then pulumi up makes a new one; restore from the bucket until it holds a set",
        )
    elif found.deleting:
        yield Diagnosis(
            "claim-deleting",
            f"claim {name}",
            "it is being deleted, and waits for the pods that use it",
            "somebody deleted it; finished Jobs hold it until they are deleted",
            "docs/runbooks/volume-lost.md: delete the finished Jobs, then pulumi refresh and pulumi up",
        )
    elif found.phase == "Pending" and not (found.waits_for_pod and not facts.jobs):
        yield _pending(facts, found)
    elif found.phase == "Lost":
        yield Diagnosis(
            "claim-lost",
            f"claim {name}",
            "its volume is gone",
            "the PersistentVolume was deleted under the claim",
            "delete the claim, pulumi refresh, pulumi up; restore from the bucket until it holds a set",
        )


def growth(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The claim is as large as the vendor's formula wants it: number of backups x database storage."""
    backup, found = facts.spec.backup, facts.claim
    if backup is None or backup.volume is None or found is None or found.phase != "Bound":
        return
    wanted = backup_volume_size(backup, facts.spec.databases).size
    has = found.capacity or found.requested
    if found.resizing:
        yield Diagnosis(
            "resize-unfinished",
            f"claim {found.name}",
            f"it asks for {found.requested} and has {found.capacity}: {found.resizing}",
            "the volume grows while a pod uses it, or its driver cannot grow it now",
            f"catalyx-dr run backup -n {facts.spec.namespace} lets a pod use it; else look at the storage driver",
        )
    elif has < wanted:
        yield Diagnosis(
            "volume-too-small",
            f"claim {found.name}",
            f"it has {has}, the stack's sizing wants {wanted}",
            "more sets or larger databases were declared than it was made for, and it has not grown yet"
            if found.grows is not False
            else f"storage class {found.storage_class} does not allow growth",
            "the next run grows it; if it does not, see the events of the claim"
            if found.grows is not False
            else "set allowVolumeExpansion: true on the class, or keep fewer sets",
        )


def room(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """There is room for one more set of the newest one's size."""
    inside = facts.inside
    newest = facts.newest(RecordKind.BACKUP_SET, RecordStatus.COMPLETED)
    if inside is None or inside.volume_free is None or newest is None or "volume" not in newest.locations:
        return
    needed = newest.bytes * _ENOUGH_PERCENT // 100
    if inside.volume_free < needed:
        yield Diagnosis(
            "volume-full",
            f"claim {ObjectNames.of(facts.spec).volume_claim}",
            f"{inside.volume_free} of {inside.volume_bytes} bytes are free, the next set needs about {needed}",
            "the volume has not grown with the sets, or holds something else",
            "raise headroomPercent or limit in the stack file, or keep fewer sets; then pulumi up",
        )


def _pending(facts: ClusterFacts, found: ClaimFacts) -> Diagnosis:
    told = facts.warnings("PersistentVolumeClaim", found.name)
    if found.grows is None:
        cause = f"storage class {found.storage_class} does not exist"
        remedy = "name an existing class in backup.volume.storageClass (kubectl get storageclass), then pulumi up"
    else:
        cause = told[0] if told else "its provisioner has not made a volume"
        remedy = "give the cluster storage, or repair the provisioner; see kubectl describe pvc"
    return Diagnosis("claim-pending", f"claim {found.name}", f"Pending, asks for {found.requested}", cause, remedy)


RULES: tuple[Rule, ...] = (claim, growth, room)
