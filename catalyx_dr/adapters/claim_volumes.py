"""Which volume stands behind a claim, and putting another there: both volumes are kept, whatever happens to claims."""

from dataclasses import dataclass
from datetime import timedelta

from lightkube.models.core_v1 import PersistentVolumeClaimSpec, VolumeResourceRequirements
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim

from catalyx_dr.adapters.cluster import Cluster, explained, gone_is_fine, if_there
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.errors import RefusedError, UnreachableError
from catalyx_dr.model.spec import Spec


class BoundClaim(Spec):
    """A claim and the volume behind it, as much as is needed to make another claim in its place."""

    name: str
    volume: str
    reclaim_policy: str
    storage_class: str
    access_modes: tuple[str, ...]
    capacity: str
    labels: dict[str, str]


@dataclass(frozen=True)
class ClaimVolumes:
    """Claims of one namespace and their volumes; needs rights on volumes, which belong to the whole cluster."""

    cluster: Cluster
    patience: timedelta

    def bound(self, name: str) -> BoundClaim | None:
        """A claim with its volume; None when there is no such claim. Raises RefusedError when it has no volume."""
        claim = self._claim(name)
        if claim is None:
            return None
        if claim.spec is None or not claim.spec.volumeName:
            raise RefusedError(f"claim {self.cluster.namespace}/{name} has no volume yet; look at its events")
        volume = self._volume(claim.spec.volumeName)
        if volume.spec is None:
            raise RefusedError(f"volume {claim.spec.volumeName} has no specification")
        return BoundClaim(
            name=name,
            volume=claim.spec.volumeName,
            reclaim_policy=volume.spec.persistentVolumeReclaimPolicy or "Retain",
            storage_class=claim.spec.storageClassName or "",
            access_modes=tuple(claim.spec.accessModes or ()),
            capacity=str((volume.spec.capacity or {})["storage"]),
            labels=dict((claim.metadata.labels if claim.metadata else None) or {}),
        )

    def keep(self, volume: str) -> None:
        """Let the volume outlive its claim."""
        self.reclaim(volume, "Retain")

    def reclaim(self, volume: str, policy: str) -> None:
        """What becomes of the volume when its claim is deleted (`Retain`, `Delete`)."""
        self._patch_volume(volume, {"spec": {"persistentVolumeReclaimPolicy": policy}})

    def is_there(self, volume: str) -> bool:
        """Tell whether there is such a volume."""
        return if_there(f"read volume {volume}", lambda: self.cluster.client.get(PersistentVolume, volume)) is not None

    def release(self, name: str) -> None:
        """Delete a claim, whose volume is kept, and wait until it is gone: it stays as long as a pod uses it."""
        with explained(f"delete claim {self.cluster.namespace}/{name}"), gone_is_fine():
            self.cluster.client.delete(PersistentVolumeClaim, name, namespace=self.cluster.namespace)
        if not came_true(lambda: self._claim(name) is None, self.patience):
            raise UnreachableError(f"claim {self.cluster.namespace}/{name} is still there; end the pods that use it")

    def bind(self, restored: BoundClaim, name: str, labels: dict[str, str]) -> None:
        """Have claim `name` bound to the volume of a claim that was released."""
        if not self.has(name, restored.volume):
            self._make(restored, name, labels)
        if not came_true(lambda: self._is_bound(name), self.patience):
            raise UnreachableError(f"claim {self.cluster.namespace}/{name} is not bound to {restored.volume}")

    def _make(self, restored: BoundClaim, name: str, labels: dict[str, str]) -> None:
        owner = {"namespace": self.cluster.namespace, "name": name, "uid": None, "resourceVersion": None}
        self._patch_volume(restored.volume, {"spec": {"claimRef": owner}})
        # A claim that comes before the volume is free again is looked at anew only after a quarter of a minute.
        came_true(lambda: self._is_free(restored.volume), self.patience)
        claim = PersistentVolumeClaim(
            metadata=ObjectMeta(name=name, namespace=self.cluster.namespace, labels=labels),
            spec=PersistentVolumeClaimSpec(
                accessModes=list(restored.access_modes),
                storageClassName=restored.storage_class,
                resources=VolumeResourceRequirements(requests={"storage": restored.capacity}),
                volumeName=restored.volume,
            ),
        )
        with explained(f"create claim {self.cluster.namespace}/{name}"):
            self.cluster.client.create(claim)

    def has(self, name: str, volume: str) -> bool:
        """Tell whether the claim stands for that volume, and will stay."""
        claim = self._claim(name)
        if claim is None or claim.spec is None or _goes(claim):
            return False
        return claim.spec.volumeName == volume

    def _is_bound(self, name: str) -> bool:
        claim = self._claim(name)
        return claim is not None and claim.status is not None and claim.status.phase == "Bound"

    def _is_free(self, volume: str) -> bool:
        found = self._volume(volume)
        return found.status is not None and found.status.phase == "Available"

    def _claim(self, name: str) -> PersistentVolumeClaim | None:
        return if_there(
            f"read claim {self.cluster.namespace}/{name}",
            lambda: self.cluster.client.get(PersistentVolumeClaim, name, namespace=self.cluster.namespace),
        )

    def _volume(self, name: str) -> PersistentVolume:
        with explained(f"read volume {name}"):
            return self.cluster.client.get(PersistentVolume, name)

    def _patch_volume(self, name: str, patch: dict[str, object]) -> None:
        with explained(f"change volume {name}"):
            self.cluster.client.patch(PersistentVolume, name, patch)


def _goes(claim: PersistentVolumeClaim) -> bool:
    """Tell whether it is being deleted, or soon will be: a StatefulSet that deletes its claims when it is scaled down
    (`whenScaled: Delete`) makes the ended pod their owner, and the garbage collector comes later.
    """
    metadata = claim.metadata or ObjectMeta()
    return bool(metadata.deletionTimestamp) or any(one.kind == "Pod" for one in metadata.ownerReferences or ())
