"""The programs of the local platform: Go tools built from their modules, and Debian packages."""

from dev.toolchain.csi import (
    CSI_DRIVER,
    CSI_PROVISIONER,
    CSI_RESIZER,
    CSI_SNAPSHOTTER,
    SNAPSHOT_CONTROLLER,
    csi_manifests,
)
from dev.toolchain.go_tools import COREDNS, KUBERNETES, PULUMI, VERSITYGW, GoTool, kubectl, pulumi

__all__ = [
    "COREDNS",
    "CSI_DRIVER",
    "CSI_PROVISIONER",
    "CSI_RESIZER",
    "CSI_SNAPSHOTTER",
    "KUBERNETES",
    "PULUMI",
    "SNAPSHOT_CONTROLLER",
    "VERSITYGW",
    "GoTool",
    "csi_manifests",
    "kubectl",
    "pulumi",
]
