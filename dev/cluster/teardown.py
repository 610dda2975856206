"""Ending the cluster: its processes, its pods, their mounts and their network, also when it is half up."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from dev.cluster.layout import state
from dev.cluster.network import remove_network
from dev.cluster.node import ctr, socket_path
from dev.cluster.processes import end, is_running, processes_with, stop
from dev.cluster.storage import STORAGE
from dev.steps import StepError

# In this order: first those who would start pods again, last those that others write to.
BEFORE_PODS = ("kubelet", "kube-proxy", "coredns", *STORAGE)
AFTER_PODS = ("containerd", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd")
ALL = (*BEFORE_PODS, *AFTER_PODS)
PODS_END_WITHIN_SECONDS = 10.0
CGROUPS = Path("/sys/fs/cgroup")


def end_cluster() -> None:
    """End everything that `up` started. Afterwards only files are left."""
    for name in BEFORE_PODS:
        stop(name)
    networks = _pod_networks()
    _end_containers()
    _forget_containers()
    for name in AFTER_PODS:
        stop(name)
    for shim in processes_with(["-address", str(socket_path())]):
        end(shim, [signal.SIGKILL])
    _unmount_below(state())
    for network in networks:
        _remove_pod_network(network)
    shutil.rmtree(state("addresses"), ignore_errors=True)
    shutil.rmtree(state("run", "containerd"), ignore_errors=True)
    remove_network()
    _remove_cgroups()


def forget_cluster() -> None:
    """Remove the ended cluster's state: its objects, volumes, images and keys.

    Raises StepError while something is still mounted in it.
    """
    mounted = _mounts_below(state())
    if mounted:
        raise StepError(f"{mounted[0]} is still mounted. End what uses it, `umount` it, and run again.")
    shutil.rmtree(state())


def _bundles() -> list[Path]:
    """One folder a running container, as containerd keeps them."""
    return list(state("run", "containerd").glob("io.containerd.runtime.v2.task/k8s.io/*"))


def _pod_networks() -> set[Path]:
    networks = set()
    for bundle in _bundles():
        with contextlib.suppress(OSError, ValueError, KeyError):
            for namespace in json.loads((bundle / "config.json").read_text())["linux"]["namespaces"]:
                path = Path(namespace.get("path", ""))
                if namespace["type"] == "network" and path.name.startswith("cni-"):
                    networks.add(path)
    return networks


def _end_containers() -> None:
    deadline = time.monotonic() + PODS_END_WITHIN_SECONDS
    for sent in (signal.SIGTERM, signal.SIGKILL):
        first_processes = [pid for bundle in _bundles() if (pid := _first_process(bundle)) is not None]
        for pid in first_processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)
        grace = min(deadline, time.monotonic() + PODS_END_WITHIN_SECONDS / 5)
        while time.monotonic() < grace and any(_first_process(bundle) for bundle in _bundles()):
            time.sleep(0.05)


def _first_process(bundle: Path) -> int | None:
    """The container's first process; all others of the container end with it."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((bundle / "init.pid").read_text())
        if bundle.name in Path(f"/proc/{pid}/cgroup").read_text():
            return pid
    return None


def _forget_containers() -> None:
    """Let containerd forget the ended containers, so that the next start begins with none."""
    if not is_running("containerd"):
        return
    tasks = ctr("tasks", "list", "--quiet").stdout.split()
    if tasks:
        ctr("tasks", "delete", "--force", *tasks)
    containers = ctr("containers", "list", "--quiet").stdout.split()
    if containers:
        ctr("containers", "delete", *containers)


def _remove_pod_network(path: Path) -> None:
    if path.exists():
        subprocess.run(["umount", "-l", path], capture_output=True, check=False)
        path.unlink(missing_ok=True)


def _mounts_below(folder: Path) -> list[str]:
    """What is mounted below the folder, innermost first."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    below = [path.encode().decode("unicode_escape") for path in mounted if path.startswith(f"{folder}/")]
    return sorted(below, reverse=True)


def _unmount_below(folder: Path) -> None:
    for path in _mounts_below(folder):
        subprocess.run(["umount", "-l", path], capture_output=True, check=False)


def _remove_cgroups() -> None:
    for root in (*CGROUPS.glob("kubepods"), *CGROUPS.glob("*/kubepods")):
        for folder, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):  # one that holds a process of somebody else's stays
                os.rmdir(folder)
