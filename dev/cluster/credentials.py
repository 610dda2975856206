"""The cluster's certificates, its key for Secrets at rest, and a kubeconfig for each who talks to the API."""

import base64
import json
import secrets
import subprocess
from pathlib import Path

from dev.cluster.configuration_files import write_when_changed
from dev.cluster.layout import (
    API_SERVICE_ADDRESS,
    API_URL,
    CLUSTER_DOMAIN,
    NODE_ADDRESS,
    NODE_NAME,
    state,
    state_folder,
)
from dev.steps import StepError

VALID_DAYS = 365
RENEWED_WITHIN_SECONDS = 30 * 24 * 3600

# Name of the certificate -> its subject. The groups and names are those that Kubernetes gives rights to.
SUBJECTS = {
    "apiserver": "/CN=kube-apiserver",
    "kubelet-client": "/O=system:masters/CN=kube-apiserver-kubelet-client",
    "kubelet": f"/O=system:nodes/CN=system:node:{NODE_NAME}",
    "admin": "/O=system:masters/CN=admin",
    "controllers": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "dns": "/CN=catalyx-dr:dns",
    # Named as the service accounts to which the official manifests of these programs give rights.
    "csi-provisioner": "/CN=system:serviceaccount:default:csi-provisioner",
    "csi-resizer": "/CN=system:serviceaccount:default:csi-resizer",
    "csi-snapshotter": "/CN=system:serviceaccount:default:csi-snapshotter",
    "snapshot-controller": "/CN=system:serviceaccount:kube-system:snapshot-controller",
}
SERVER_NAMES = {
    "apiserver": (
        f"DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"
        f"DNS:kubernetes.default.svc.{CLUSTER_DOMAIN},IP:127.0.0.1,IP:{NODE_ADDRESS},IP:{API_SERVICE_ADDRESS}"
    ),
    "kubelet": f"DNS:{NODE_NAME},IP:127.0.0.1",
}
WITHOUT_KUBECONFIG = ("apiserver", "kubelet-client")


def certificate(name: str) -> Path:
    """Path of a certificate; its key is beside it (`key_of`)."""
    return state("pki", f"{name}.crt")


def key_of(name: str) -> Path:
    """Path of a certificate's private key."""
    return state("pki", f"{name}.key")


def kubeconfig_of(name: str) -> Path:
    """Path of the kubeconfig that authenticates with the certificate of that name."""
    return state(f"{name}.kubeconfig")


def encryption_configuration() -> Path:
    """Path of the API server's configuration of Secrets at rest."""
    return state("encryption.json")


def ensure_credentials() -> None:
    """Make what is missing or about to expire; what is there stays."""
    state_folder("pki")
    if not _is_valid("ca"):
        _make_authority()
    for name in SUBJECTS:
        if not _is_valid(name):
            _issue(name)
    if not key_of("service-accounts").exists():
        _make_service_account_key()
    for name in SUBJECTS:
        if name not in WITHOUT_KUBECONFIG:
            write_when_changed(kubeconfig_of(name), _kubeconfig(name))
    if not encryption_configuration().exists():
        write_when_changed(encryption_configuration(), _encryption())


def _is_valid(name: str) -> bool:
    path = certificate(name)
    if not path.exists():
        return False
    check = ["openssl", "x509", "-checkend", str(RENEWED_WITHIN_SECONDS), "-noout", "-in", str(path)]
    return subprocess.run(check, capture_output=True, check=False).returncode == 0


def _make_authority() -> None:
    for name in SUBJECTS:  # what the former authority signed is worth nothing under a new one
        certificate(name).unlink(missing_ok=True)
    _openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", str(key_of("ca")), "-out", str(certificate("ca")), "-days", str(10 * VALID_DAYS),
        "-subj", "/CN=catalyx-dr local cluster", "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,keyCertSign,digitalSignature",
    )  # fmt: skip


def _issue(name: str) -> None:
    request = state("pki", f"{name}.csr")
    extensions = state("pki", f"{name}.extensions")
    lines = ["basicConstraints=CA:FALSE", "keyUsage=digitalSignature,keyEncipherment",
             "extendedKeyUsage=serverAuth,clientAuth"]  # fmt: skip
    if name in SERVER_NAMES:
        lines.append(f"subjectAltName={SERVER_NAMES[name]}")
    extensions.write_text("\n".join(lines) + "\n")
    _openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", str(key_of(name)), "-subj", SUBJECTS[name], "-out", str(request),
    )  # fmt: skip
    _openssl(
        "x509", "-req", "-in", str(request), "-CA", str(certificate("ca")), "-CAkey", str(key_of("ca")),
        "-set_serial", f"0x{secrets.token_hex(16)}", "-days", str(VALID_DAYS),
        "-extfile", str(extensions), "-out", str(certificate(name)),
    )  # fmt: skip
    request.unlink()
    extensions.unlink()


def _make_service_account_key() -> None:
    key = str(key_of("service-accounts"))
    _openssl("genrsa", "-out", key, "2048")
    _openssl("rsa", "-in", key, "-pubout", "-out", str(certificate("service-accounts")))


def _kubeconfig(name: str) -> str:
    cluster = {"server": API_URL, "certificate-authority-data": _base64(certificate("ca"))}
    user = {"client-certificate-data": _base64(certificate(name)), "client-key-data": _base64(key_of(name))}
    context = {"cluster": "catalyx-dr", "user": name}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "catalyx-dr", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "catalyx-dr", "context": context}],
            "current-context": "catalyx-dr",
        },
        indent=2,
    )


def _encryption() -> str:
    key = {"name": "key1", "secret": base64.b64encode(secrets.token_bytes(32)).decode()}
    providers = [{"aescbc": {"keys": [key]}}, {"identity": {}}]
    return json.dumps(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [{"resources": ["secrets"], "providers": providers}],
        }
    )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StepError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
