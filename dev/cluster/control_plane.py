"""The control plane: etcd, the API server, the controllers and the scheduler."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path

from dev.cluster import layout
from dev.cluster.credentials import certificate, encryption_configuration, key_of, kubeconfig_of
from dev.cluster.layout import state, state_folder
from dev.cluster.processes import ensure_running, require_running
from dev.cluster.waiting import wait_until

ETCD_URL = f"http://127.0.0.1:{layout.ETCD_PORT}"
ETCD_PEER_URL = f"http://127.0.0.1:{layout.ETCD_PEER_PORT}"


def start_api_server(hk: Path) -> None:
    """Start etcd and the API server; `wait_for_api_server` tells when they answer."""
    ensure_running("etcd", [
        hk, "etcd", "--name=local", f"--data-dir={state_folder('etcd')}", "--log-level=warn",
        f"--listen-client-urls={ETCD_URL}", f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={ETCD_PEER_URL}", f"--initial-advertise-peer-urls={ETCD_PEER_URL}",
        f"--initial-cluster=local={ETCD_PEER_URL}",
        "--unsafe-no-fsync",  # the state of a development cluster need not survive a power cut
    ])  # fmt: skip
    ensure_running("kube-apiserver", [
        hk, "kube-apiserver", f"--etcd-servers={ETCD_URL}",
        f"--bind-address={layout.NODE_ADDRESS}", f"--secure-port={layout.API_PORT}",
        f"--advertise-address={layout.NODE_ADDRESS}", "--endpoint-reconciler-type=lease",
        f"--cert-dir={state('pki')}",
        f"--tls-cert-file={certificate('apiserver')}", f"--tls-private-key-file={key_of('apiserver')}",
        f"--client-ca-file={certificate('ca')}",
        f"--service-account-issuer=https://kubernetes.default.svc.{layout.CLUSTER_DOMAIN}",
        f"--service-account-key-file={certificate('service-accounts')}",
        f"--service-account-signing-key-file={key_of('service-accounts')}",
        f"--service-cluster-ip-range={layout.SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-client-certificate={certificate('kubelet-client')}",
        f"--kubelet-client-key={key_of('kubelet-client')}",
        f"--kubelet-certificate-authority={certificate('ca')}",
        "--kubelet-preferred-address-types=Hostname,InternalIP",
        f"--encryption-provider-config={encryption_configuration()}",
        "--allow-privileged=true",
    ], [encryption_configuration(), certificate("apiserver")])  # fmt: skip


def wait_for_api_server() -> None:
    """Return when the API server is ready. Raises StepError when it ended or takes too long."""

    def ready() -> bool:
        require_running("etcd")
        require_running("kube-apiserver")
        return is_ready()

    wait_until(ready, "the API server's readiness", layout.READY_WITHIN_SECONDS, _log_of("kube-apiserver"))


def start_controllers(hk: Path) -> None:
    """Start the controllers and the scheduler, which need the API server."""
    for name, user, port, more in (
        ("kube-controller-manager", "controllers", layout.CONTROLLERS_PORT, [
            "--use-service-account-credentials",
            f"--service-account-private-key-file={key_of('service-accounts')}",
            f"--root-ca-file={certificate('ca')}", f"--client-ca-file={certificate('ca')}",
            f"--cluster-signing-cert-file={certificate('ca')}", f"--cluster-signing-key-file={key_of('ca')}",
        ]),
        ("kube-scheduler", "scheduler", layout.SCHEDULER_PORT, []),
    ):  # fmt: skip
        kubeconfig = kubeconfig_of(user)
        ensure_running(name, [
            hk, name, f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}", "--bind-address=127.0.0.1", f"--secure-port={port}",
            f"--cert-dir={state('pki')}", "--leader-elect=false", *more,
        ], [kubeconfig])  # fmt: skip


def is_ready() -> bool:
    """Whether the API server answers that it is ready."""
    try:
        trust = ssl.create_default_context(cafile=str(certificate("ca")))
        trust.load_cert_chain(certificate("admin"), key_of("admin"))
        with urllib.request.urlopen(f"{layout.API_URL}/readyz", timeout=2, context=trust) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _log_of(name: str) -> str:
    return f"See {state('log', f'{name}.log')}."
