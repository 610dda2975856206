"""The node: containerd with its images, and the kubelet."""

import json
import shutil
import subprocess
from pathlib import Path

from dev.cluster import layout
from dev.cluster.configuration_files import write_json, write_when_changed
from dev.cluster.credentials import certificate, key_of, kubeconfig_of
from dev.cluster.layout import state, state_folder
from dev.cluster.network import write_pod_network
from dev.cluster.processes import ensure_running, require_running
from dev.cluster.waiting import wait_until
from dev.images import PAUSE, Archive
from dev.steps import StepError

NETWORK_PLUGINS = "/usr/lib/cni"
# Storage that this machine has no use for, and a plugin folder outside the state.
DISABLED_PLUGINS = (
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.internal.v1.opt",
)


def socket_path() -> Path:
    """Containerd's socket."""
    return state("run", "containerd.sock")


def start_containerd() -> None:
    """Start containerd and return when it answers."""
    state_folder("run")
    configuration = write_when_changed(state("containerd.toml"), _containerd_configuration())
    ensure_running("containerd", [_program("containerd"), "-c", configuration], [configuration])

    def answers() -> bool:
        require_running("containerd")
        return ctr("version").returncode == 0

    wait_until(answers, "an answer of containerd", layout.READY_WITHIN_SECONDS, "See log/containerd.log.")


def start_kubelet(hk: Path) -> None:
    """Start the kubelet, which joins this machine to the cluster."""
    configuration = write_json(state("kubelet.json"), _kubelet_configuration())
    state_folder("kubelet")
    ensure_running("kubelet", [
        hk, "kubelet", f"--config={configuration}", f"--kubeconfig={kubeconfig_of('kubelet')}",
        f"--root-dir={state('kubelet')}", f"--cert-dir={state('kubelet', 'pki')}",
        f"--hostname-override={layout.NODE_NAME}", f"--node-ip={layout.NODE_ADDRESS}",
    ], [configuration, certificate("kubelet")])  # fmt: skip


def import_image(archive: Archive) -> None:
    """Give containerd the image, when it has not this very content yet.

    Raises StepError when containerd refuses it.
    """
    if is_imported(archive):
        return
    done = ctr("images", "import", "--snapshotter", "overlayfs", str(archive.path))
    if done.returncode != 0:
        raise StepError(f"containerd refused {archive.path}: {done.stderr.strip()}. Remove the file, and run again.")
    _import_record(archive).write_text(archive.key)


def is_imported(archive: Archive) -> bool:
    """Whether containerd holds this very content under the image's name, by our own record."""
    record = _import_record(archive)
    return record.exists() and record.read_text() == archive.key


def ctr(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run containerd's own client on the pods' namespace."""
    return subprocess.run(
        ["ctr", "--address", str(socket_path()), "--namespace", "k8s.io", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def _import_record(archive: Archive) -> Path:
    name = archive.reference.rpartition("/")[2].partition(":")[0]
    return state_folder("imported") / name


def _containerd_configuration() -> str:
    disabled = json.dumps(DISABLED_PLUGINS)
    return f"""\
version = 2
root = "{state("containerd")}"
state = "{state("run", "containerd")}"
oom_score = 0
disabled_plugins = {disabled}
[grpc]
  address = "{socket_path()}"
[ttrpc]
  address = "{socket_path()}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE.reference}"
  restrict_oom_score_adj = true  # lowering the score may be forbidden even to root
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{NETWORK_PLUGINS}"
    conf_dir = "{write_pod_network()}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{_program("runc")}"
        SystemdCgroup = false
"""


def _kubelet_configuration() -> dict[str, object]:
    resolver = write_when_changed(state("resolv.conf"), "")  # the pods' name server is the cluster's alone
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "127.0.0.1",
        "port": layout.KUBELET_PORT,
        "readOnlyPort": 0,
        "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(certificate("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificate("kubelet")),
        "tlsPrivateKeyFile": str(key_of("kubelet")),
        "clusterDNS": [layout.NODE_ADDRESS],
        "clusterDomain": layout.CLUSTER_DOMAIN,
        "resolvConf": str(resolver),
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "oomScoreAdj": 0,
        "podLogsDir": str(state_folder("pod-logs")),
        "containerRuntimeEndpoint": f"unix://{socket_path()}",
        # A nearly full disk of a development machine must not evict pods, nor images that nothing could fetch again.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "syncFrequency": "10s",
    }


def _program(name: str) -> str:
    path = shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        raise StepError(f"program {name} is missing. Install the Debian package {name}, and run again.")
    return path
