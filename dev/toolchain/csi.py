"""What volumes of the local cluster are made by: a driver of our own, the official sidecars, and their manifests."""

import shutil
from pathlib import Path

from dev.cache_folder import cache_folder, content_key, files_below, only_one
from dev.steps import step
from dev.toolchain.go_tools import GoTool, module_folder

PROVISIONER_VERSION = "6.4.0"
RESIZER_VERSION = "2.3.0"
SNAPSHOTTER_VERSION = "8.7.0"
MODULES = "github.com/kubernetes-csi"

CSI_DRIVER = GoTool("csi_driver", "csi-driver", "1", ".")
CSI_PROVISIONER = GoTool(
    "csi_sidecars",
    "csi-provisioner",
    PROVISIONER_VERSION,
    f"{MODULES}/external-provisioner/v6/cmd/csi-provisioner",
    takes="3 minutes",
)
CSI_RESIZER = GoTool(
    "csi_sidecars", "csi-resizer", RESIZER_VERSION, f"{MODULES}/external-resizer/v2/cmd/csi-resizer", takes="1 minute"
)
CSI_SNAPSHOTTER = GoTool(
    "csi_sidecars", "csi-snapshotter", SNAPSHOTTER_VERSION, f"{MODULES}/external-snapshotter/v8/cmd/csi-snapshotter"
)
SNAPSHOT_CONTROLLER = GoTool(
    "csi_sidecars",
    "snapshot-controller",
    SNAPSHOTTER_VERSION,
    f"{MODULES}/external-snapshotter/v8/cmd/snapshot-controller",
)
# Definitions of the snapshot API, and the rights that the programs ask for, as their own modules have them.
MANIFESTS = (
    (f"{MODULES}/external-snapshotter/client/v8", "config/crd/snapshot.storage.k8s.io_*.yaml"),
    (f"{MODULES}/external-snapshotter/client/v8", "config/crd/groupsnapshot.storage.k8s.io_*.yaml"),
    (f"{MODULES}/external-snapshotter/v8", "deploy/kubernetes/*/rbac-snapshot-controller.yaml"),
    (f"{MODULES}/external-snapshotter/v8", "deploy/kubernetes/*/rbac-csi-snapshotter.yaml"),
    (f"{MODULES}/external-provisioner/v6", "deploy/kubernetes/rbac.yaml"),
    (f"{MODULES}/external-resizer/v2", "deploy/kubernetes/rbac.yaml"),
)


def csi_manifests() -> Path:
    """Folder with the official manifests, copied once from the modules that the sidecars are built from.

    Raises StepError when Go is missing or a module cannot be downloaded.
    """
    recipe = CSI_SNAPSHOTTER.folder
    key = content_key([f"{module} {files}" for module, files in MANIFESTS], files_below(recipe))
    folder = cache_folder("tools", CSI_SNAPSHOTTER.recipe) / f"manifests-{key}"
    with only_one("build"):
        if not folder.exists():
            _copy_manifests(recipe, folder)
    return folder


def _copy_manifests(recipe: Path, folder: Path) -> None:
    unfinished = folder.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with step("take the manifests of the snapshot API", "csi-manifests", "Run again to go on.") as taking:
        for module, files in MANIFESTS:
            for path in sorted(module_folder(module, recipe, taking).glob(files)):
                name = f"{module.removeprefix(MODULES).replace('/', '-').lstrip('-')}-{path.name}"
                shutil.copyfile(path, unfinished / name)
    unfinished.rename(folder)
