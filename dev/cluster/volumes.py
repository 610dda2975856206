"""`python -m dev.cluster.volumes`: provisions volumes as folders of this machine, and lets claims grow.

Volumes are of the kind `local`, so that the kubelet treats them as it treats a cloud's disks: it sets the
owner to the pod's fsGroup. A folder has no limit of its own: a claim's size is what the API says, no more.
"""

import logging
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from lightkube import ApiError, Client, KubeConfig
from lightkube.models.core_v1 import (
    LocalVolumeSource,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    ObjectReference,
    PersistentVolumeSpec,
    VolumeNodeAffinity,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus
from lightkube.resources.storage_v1 import StorageClass
from lightkube.types import PatchType
from lightkube.utils.quantity import parse_quantity

PROVISIONER = "catalyx-dr.invalid/folder"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
RETRY_SECONDS = 1.0

log = logging.getLogger("volumes")
Watched = TypeVar("Watched")


class Provisioner:
    """Does what claims and volumes ask for. `folders` holds a folder a volume."""

    def __init__(self, client: Client, folders: Path, node: str) -> None:
        self._client = client
        self._folders = folders
        self._node = node

    def handle_claim(self, claim: PersistentVolumeClaim) -> None:
        """Provision for a claim that has no volume, or grow the volume of one that asks for more."""
        if claim.status is None or claim.metadata is None or claim.metadata.deletionTimestamp:
            return
        if claim.status.phase == "Pending":
            self._provision(claim)
        elif claim.status.phase == "Bound":
            self._grow(claim)

    def handle_volume(self, volume: PersistentVolume) -> None:
        """Remove a volume that was released, when its class says so."""
        metadata, spec, status = volume.metadata, volume.spec, volume.status
        if not (metadata and spec and status and metadata.name):
            return
        ours = (metadata.annotations or {}).get(PROVISIONED_BY) == PROVISIONER
        if ours and status.phase == "Released" and spec.persistentVolumeReclaimPolicy == "Delete":
            shutil.rmtree(self._folders / metadata.name, ignore_errors=True)
            self._client.delete(PersistentVolume, metadata.name)
            log.info("removed %s", metadata.name)

    def _provision(self, claim: PersistentVolumeClaim) -> None:
        metadata, spec = claim.metadata, claim.spec
        if not (metadata and spec) or not spec.storageClassName or spec.volumeName:
            return
        storage_class = self._client.get(StorageClass, spec.storageClassName)
        if storage_class.provisioner != PROVISIONER:
            return
        waits = storage_class.volumeBindingMode == "WaitForFirstConsumer"
        if waits and SELECTED_NODE not in (metadata.annotations or {}):
            return
        if spec.volumeMode == "Block" or spec.dataSource or spec.selector:
            log.warning("%s/%s: only empty file systems are provisioned", metadata.namespace, metadata.name)
            return
        name = f"pvc-{metadata.uid}"
        folder = self._folders / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # a fresh file system's root: without fsGroup only root writes
        requested = (spec.resources.requests if spec.resources else None) or {}
        volume = PersistentVolume(
            metadata=ObjectMeta(name=name, annotations={PROVISIONED_BY: PROVISIONER}),
            spec=PersistentVolumeSpec(
                accessModes=spec.accessModes,
                capacity={"storage": requested["storage"]},
                claimRef=ObjectReference(
                    apiVersion="v1",
                    kind="PersistentVolumeClaim",
                    namespace=metadata.namespace,
                    name=metadata.name,
                    uid=metadata.uid,
                ),
                local=LocalVolumeSource(path=str(folder)),
                nodeAffinity=_only(self._node),
                persistentVolumeReclaimPolicy=storage_class.reclaimPolicy,
                storageClassName=spec.storageClassName,
                volumeMode="Filesystem",
            ),
        )
        self._client.create(volume)
        log.info("provisioned %s for %s/%s", name, metadata.namespace, metadata.name)

    def _grow(self, claim: PersistentVolumeClaim) -> None:
        metadata, spec, status = claim.metadata, claim.spec, claim.status
        if not (metadata and spec and status and metadata.name and spec.volumeName and spec.resources):
            return
        wanted = (spec.resources.requests or {}).get("storage")
        present = (status.capacity or {}).get("storage")
        if not wanted or not present or _bytes(wanted) <= _bytes(present):
            return
        volume = self._client.get(PersistentVolume, spec.volumeName)
        if ((volume.metadata and volume.metadata.annotations) or {}).get(PROVISIONED_BY) != PROVISIONER:
            return
        capacity = {"capacity": {"storage": wanted}}
        self._client.patch(PersistentVolume, spec.volumeName, {"spec": capacity}, patch_type=PatchType.MERGE)
        self._client.patch(
            PersistentVolumeClaimStatus,
            metadata.name,
            {"status": capacity},
            namespace=metadata.namespace,
            patch_type=PatchType.MERGE,
        )
        log.info("grew %s from %s to %s", spec.volumeName, present, wanted)


def _only(node: str) -> VolumeNodeAffinity:
    requirement = NodeSelectorRequirement(key="kubernetes.io/hostname", operator="In", values=[node])
    return VolumeNodeAffinity(required=NodeSelector([NodeSelectorTerm(matchExpressions=[requirement])]))


def _bytes(quantity: str) -> int:
    return int(parse_quantity(quantity) or 0)


def _follow(watch: Callable[[], Iterable[tuple[str, Watched]]], handle: Callable[[Watched], None]) -> None:
    """Handle every object as it is and as it changes, for ever; after a lost connection, begin again."""
    pause = threading.Event()
    while True:
        try:
            for _, found in watch():
                try:
                    handle(found)
                except ApiError as refused:
                    if refused.status.code not in (404, 409):  # gone, or done already
                        log.warning("%s", refused)
        except Exception as lost:  # whatever it was, the volumes of the cluster need the next try
            log.info("connection lost (%s), again", lost)
        pause.wait(RETRY_SECONDS)


def main() -> None:
    """Serve the cluster of the kubeconfig until SIGTERM. Arguments: kubeconfig, folder of volumes, node."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    kubeconfig, folders, node = sys.argv[1:]
    client = Client(config=KubeConfig.from_file(kubeconfig))
    provisioner = Provisioner(client, Path(folders), node)
    for target in (
        lambda: _follow(lambda: client.watch(PersistentVolumeClaim, namespace="*"), provisioner.handle_claim),
        lambda: _follow(lambda: client.watch(PersistentVolume), provisioner.handle_volume),
    ):
        threading.Thread(target=target, daemon=True).start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
