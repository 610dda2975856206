"""Bringing the local cluster up and down, or standing beside a cluster that is somebody else's."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.cache_folder import cache_folder, content_key, only_one
from dev.cluster import layout
from dev.cluster.control_plane import is_ready, start_api_server, start_controllers, wait_for_api_server
from dev.cluster.credentials import ensure_credentials, kubeconfig_of
from dev.cluster.image_loading import build_and_load_images, load_by_command
from dev.cluster.layout import state
from dev.cluster.network import bridge_exists, ensure_bridge
from dev.cluster.node import import_image, is_imported, start_containerd, start_kubelet
from dev.cluster.processes import is_running, require_running, stop
from dev.cluster.service_network import start_name_server, start_proxy
from dev.cluster.storage import DRIVER_NAME, build_storage, start_storage
from dev.cluster.teardown import ALL, end_cluster, forget_cluster
from dev.cluster.waiting import wait_until
from dev.images import PAUSE, Archive, build_image
from dev.steps import StepError, step
from dev.toolchain import COREDNS, KUBERNETES, csi_manifests, kubectl, pulumi
from dev.toolchain.debian_packages import NODE_PACKAGES, ensure_packages

EXTERNAL_VARIABLE = "CATALYX_DR_KUBECONFIG"
BASE_OBJECTS = Path(__file__).resolve().parent / "base_objects.yaml"
SNAPSHOT_API = "external-snapshotter-client-v8-snapshot.storage.k8s.io_volumesnapshotclasses.yaml"


def external_kubeconfig() -> Path | None:
    """The kubeconfig of a cluster that is used instead of the local one: $CATALYX_DR_KUBECONFIG."""
    value = os.environ.get(EXTERNAL_VARIABLE)
    if not value:
        return None
    path = Path(value).expanduser().resolve()
    if not path.is_file():
        raise StepError(f"{EXTERNAL_VARIABLE} names {path}, which is no file. Correct it, or unset it.")
    return path


def kubeconfig_path() -> Path:
    """The kubeconfig of the cluster in use. It exists after `up`."""
    return external_kubeconfig() or kubeconfig_of("admin")


def up() -> None:
    """Have a running cluster with every image, whatever there was before; what is there is not done again.

    Raises StepError, with the log's name and the way out, when a step fails.
    """
    external = external_kubeconfig()
    begun = time.monotonic()
    if external:
        build_and_load_images(load_by_command(external))
    else:
        with only_one("cluster"):
            _start()
            build_and_load_images(_import)
    pulumi()
    print(f"the cluster is up ({time.monotonic() - begun:.1f} s): export KUBECONFIG={kubeconfig_path()}", flush=True)


def down(forget: bool = False) -> None:
    """End the local cluster; with `forget` remove its state too. A cluster of somebody else's is left alone."""
    if external_kubeconfig():
        print(f"{EXTERNAL_VARIABLE} is set: that cluster is not ours to end", flush=True)
        return
    with only_one("cluster"):
        begun = time.monotonic()
        end_cluster()
        if forget:
            forget_cluster()
        print(f"the cluster is down ({time.monotonic() - begun:.1f} s)", flush=True)


@contextmanager
def without_api_server() -> Iterator[None]:
    """The local cluster while its API server is stopped; it is started again afterwards, and waited for."""
    if external_kubeconfig():
        raise StepError(f"{EXTERNAL_VARIABLE} is set: the API server of that cluster is not ours to stop")
    stop("kube-apiserver")
    try:
        yield
    finally:
        start_api_server(KUBERNETES.build())
        wait_for_api_server()


def is_up() -> bool:
    """Whether every process of the local cluster runs and its API server answers."""
    return all(is_running(name) for name in ALL) and bridge_exists() and is_ready()


def status() -> dict[str, str]:
    """What runs: each process of the cluster and its API server, and where the kubeconfig is."""
    if external_kubeconfig():
        return {"cluster": f"external, {kubeconfig_path()}"}
    found = {name: "running" if is_running(name) else "not running" for name in ALL}
    found["API server"] = "ready" if is_ready() else "not ready"
    found["kubeconfig"] = str(kubeconfig_path())
    return found


def _start() -> None:
    _require_rights()
    ensure_packages(NODE_PACKAGES)
    hk, coredns = KUBERNETES.build(), COREDNS.build()
    build_storage()
    kubectl()
    pause = build_image(PAUSE)
    if is_up() and _is_current(hk, coredns):
        return
    with step("start the cluster", "cluster", _advice()):
        if not bridge_exists():
            end_cluster()  # what an interrupted start, or a restart of the machine, left behind
        ensure_credentials()
        ensure_bridge()
        start_api_server(hk)
        start_containerd()
        import_image(pause)
        wait_for_api_server()
        start_controllers(hk)
        start_kubelet(hk)
        _apply_base_objects()
        start_proxy(hk)
        start_name_server(coredns)
        start_storage()
        _wait_for_node()
        state("current").write_text(_recipe(hk, coredns))


def _import(archive: Archive) -> None:
    if is_imported(archive):
        return
    with step(f"import image {archive.reference}", "image-import", _advice()):
        import_image(archive)


def _apply_base_objects() -> None:
    record = state("base-objects")
    manifests = csi_manifests()
    key = content_key([str(manifests)], [("base objects", BASE_OBJECTS)])
    if record.exists() and record.read_text() == key:
        return
    _apply(manifests)
    _must("wait", "--for=condition=Established", "--timeout=30s", f"--filename={manifests}/{SNAPSHOT_API}")
    _apply(BASE_OBJECTS)
    record.write_text(key)


def _apply(path: Path) -> None:
    _must("apply", "--server-side", "--force-conflicts", f"--filename={path}")


def _must(*arguments: str) -> None:
    done = _kubectl(*arguments)
    if done.returncode != 0:
        raise StepError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}\n{_advice()}")


def _wait_for_node() -> None:
    def met(check: Callable[[], bool]) -> Callable[[], bool]:
        def condition() -> bool:
            for name in ALL:
                require_running(name)
            return check()

        return condition

    def node_is_ready() -> bool:
        path = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}'
        return _kubectl("get", "node", layout.NODE_NAME, path).stdout == "True"

    def pods_can_be_made() -> bool:
        return _kubectl("get", "serviceaccount", "default", "--namespace=default").returncode == 0

    def volumes_can_be_mounted() -> bool:
        drivers = _kubectl("get", "csinode", layout.NODE_NAME, "-o=jsonpath={.spec.drivers[*].name}").stdout
        return DRIVER_NAME in drivers.split()

    for condition, what in (
        (node_is_ready, "the node's readiness"),
        (pods_can_be_made, "the first service account"),
        (volumes_can_be_mounted, "the registration of the storage driver"),
    ):
        wait_until(met(condition), what, layout.READY_WITHIN_SECONDS, _advice())


def _kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(kubectl()), f"--kubeconfig={kubeconfig_of('admin')}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def _is_current(hk: Path, coredns: Path) -> bool:
    record = state("current")
    return record.exists() and record.read_text() == _recipe(hk, coredns)


def _recipe(hk: Path, coredns: Path) -> str:
    """Changes with anything that the running processes were started from."""
    sources = [(path.name, path) for path in Path(__file__).parent.iterdir() if path.suffix in (".py", ".yaml")]
    return content_key([*map(str, (hk, coredns, *build_storage(), cache_folder()))], sources)


def _require_rights() -> None:
    if os.geteuid() != 0:
        raise StepError(
            "The local cluster runs a node on this machine and needs root. "
            f"Run as root, or set {EXTERNAL_VARIABLE} to the kubeconfig of a cluster of your own."
        )
    if shutil.which("ip") is None and shutil.which("apt-get") is None:
        raise StepError("The local cluster needs a Debian-based Linux.")


def _advice() -> str:
    return f"Logs are in {state('log')}. `python -m dev.cluster down`, then `up`, begins afresh and keeps the state."
