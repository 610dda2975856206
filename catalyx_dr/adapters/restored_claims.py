"""Claims made from snapshots, beside those that are in use: made and removed."""

from lightkube.core.exceptions import ApiError
from lightkube.models.core_v1 import (
    PersistentVolumeClaimSpec,
    TypedLocalObjectReference,
    VolumeResourceRequirements,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import PersistentVolumeClaim

from catalyx_dr.adapters.cluster import Cluster, explained, gone_is_fine, labels
from catalyx_dr.model.snapshot_set import SnapshotCapture

_API_GROUP = "snapshot.storage.k8s.io"


def make_claim(cluster: Cluster, validator: str, name: str, snapshot: SnapshotCapture) -> None:
    """Ask for a claim with the content of a snapshot, as its source was; one that is there already is kept."""
    source = snapshot.source
    claim = PersistentVolumeClaim(
        metadata=ObjectMeta(name=name, namespace=cluster.namespace, labels=labels(validator)),
        spec=PersistentVolumeClaimSpec(
            accessModes=list(source.access_modes),
            storageClassName=source.storage_class,
            resources=VolumeResourceRequirements(requests={"storage": str(snapshot.claim_size)}),
            dataSource=TypedLocalObjectReference(apiGroup=_API_GROUP, kind="VolumeSnapshot", name=snapshot.name),
        ),
    )
    with explained(f"create claim {cluster.namespace}/{name} from VolumeSnapshot {snapshot.name}"):
        try:
            cluster.client.create(claim)
        except ApiError as error:
            if error.status.code != 409:
                raise


def remove_claim(cluster: Cluster, name: str) -> None:
    """Delete a claim that a restore made; one that is gone already is no error."""
    with explained(f"delete claim {cluster.namespace}/{name}"), gone_is_fine():
        cluster.client.delete(PersistentVolumeClaim, name, namespace=cluster.namespace)
