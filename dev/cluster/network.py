"""The pods' network on this machine: a bridge, and kernel settings that are put back afterwards."""

import contextlib
import json
import subprocess
from ipaddress import ip_network
from pathlib import Path

from dev.cluster.configuration_files import write_json
from dev.cluster.layout import BRIDGE, NODE_ADDRESS, POD_NETWORK, SERVICE_NETWORK, state, state_folder
from dev.steps import StepError

# What the kubelet and the network plugin set.
KERNEL_SETTINGS = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
PROXY_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))


def ensure_bridge() -> None:
    """Make the bridge that is the pods' gateway and the node's address.

    Raises StepError when its address is on another device, or the bridge belongs to another cache's cluster.
    """
    devices = _devices_with(NODE_ADDRESS)
    if BRIDGE in devices and _network_is_ours():
        return
    if devices:
        raise StepError(
            f"{NODE_ADDRESS} is already on {', '.join(devices)}: another cluster runs here, or something else uses "
            f"the address. End it (with its own CATALYX_DR_CACHE), or `ip link delete {devices[0]}`, and run again."
        )
    _remember_kernel_settings()
    _delete_bridge()
    prefix = ip_network(POD_NETWORK).prefixlen
    for command in (
        ["ip", "link", "add", BRIDGE, "type", "bridge"],
        ["ip", "address", "add", f"{NODE_ADDRESS}/{prefix}", "dev", BRIDGE],
        ["ip", "link", "set", BRIDGE, "up"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StepError(f"`{' '.join(command)}` failed: {done.stderr.strip()}. This needs root.")


def write_pod_network() -> Path:
    """Write how pods are joined to the bridge; returns the folder of that configuration.

    Pods get a route to services alone: they reach each other and this machine, and nothing beyond it.
    """
    folder = state_folder("cni")
    address_management = {
        "type": "host-local",
        "dataDir": str(state("addresses")),
        "ranges": [[{"subnet": POD_NETWORK}]],
        "routes": [{"dst": SERVICE_NETWORK}],
    }
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": address_management,
    }
    configuration = {"cniVersion": "0.4.0", "name": "catalyx-dr", "plugins": [bridge]}
    write_json(folder / "10-bridge.conflist", configuration)
    return folder


def remove_network() -> None:
    """Delete the bridge and the service proxy's tables, and put the kernel settings back.

    Nothing happens when this cache's cluster did not make them.
    """
    if not _network_is_ours():
        return
    for family, table in PROXY_TABLES:
        subprocess.run(["nft", "delete", "table", family, table], capture_output=True, check=False)
    _delete_bridge()
    _restore_kernel_settings()


def bridge_exists() -> bool:
    """Whether the bridge is there."""
    return Path("/sys/class/net", BRIDGE).exists()


def _delete_bridge() -> None:
    if bridge_exists():
        subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)


def _devices_with(address: str) -> list[str]:
    answer = subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=True)
    return [
        str(device["ifname"])
        for device in json.loads(answer.stdout)
        if any(entry.get("local") == address for entry in device.get("addr_info", []))
    ]


def _network_is_ours() -> bool:
    return _kernel_settings_record().exists()


def _kernel_settings_record() -> Path:
    return state("kernel-settings.json")


def _remember_kernel_settings() -> None:
    record = _kernel_settings_record()
    if not record.exists():
        paths = [Path("/proc/sys", name) for name in KERNEL_SETTINGS]
        record.write_text(json.dumps({str(path): path.read_text().strip() for path in paths if path.exists()}))


def _restore_kernel_settings() -> None:
    record = _kernel_settings_record()
    if record.exists():
        for path, value in json.loads(record.read_text()).items():
            with contextlib.suppress(OSError):
                Path(path).write_text(value)
        record.unlink()
