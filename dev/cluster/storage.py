"""Volumes: a CSI driver of our own and the official sidecars, which provision, grow, copy and snapshot them."""

from pathlib import Path

from dev.cluster import layout
from dev.cluster.credentials import kubeconfig_of
from dev.cluster.layout import state, state_folder
from dev.cluster.processes import ensure_running, stop
from dev.toolchain import CSI_DRIVER, CSI_PROVISIONER, CSI_RESIZER, CSI_SNAPSHOTTER, SNAPSHOT_CONTROLLER

DRIVER_NAME = "files.catalyx-dr.invalid"  # as base_objects.yaml has it
SIDECARS = {
    "csi-provisioner": CSI_PROVISIONER,
    "csi-resizer": CSI_RESIZER,
    "csi-snapshotter": CSI_SNAPSHOTTER,
}
STORAGE = (*SIDECARS, "snapshot-controller", "csi-driver")


def build_storage() -> list[Path]:
    """The programs, built when they are not in the cache yet."""
    return [tool.build() for tool in (CSI_DRIVER, *SIDECARS.values(), SNAPSHOT_CONTROLLER)]


def start_storage() -> None:
    """Start driver, sidecars and the controller of snapshots; they need the API server and its base objects."""
    kubelet = state_folder("kubelet")
    fresh = ensure_running(
        "csi-driver",
        [
            CSI_DRIVER.build(),
            f"--name={DRIVER_NAME}",
            f"--kubelet={kubelet}",
            f"--data={state('volumes')}",
            f"--node={layout.NODE_NAME}",
        ],
    )
    for name, tool in SIDECARS.items():
        if fresh:
            stop(name)  # it would end by itself, a little later, for having lost the former driver
        socket = kubelet / "plugins" / DRIVER_NAME / "csi.sock"
        _start(name, tool.build(), f"--csi-address={socket}")
    _start("snapshot-controller", SNAPSHOT_CONTROLLER.build())


def _start(name: str, program: Path, *arguments: str) -> None:
    kubeconfig = kubeconfig_of(name)
    ensure_running(name, [program, f"--kubeconfig={kubeconfig}", "--leader-election=false", *arguments], [kubeconfig])
