"""The local cluster behaves as clusters do where the project depends on it."""

import base64
from collections.abc import Callable

import httpx2
import pytest

from dev.cluster.control_plane import ETCD_URL
from dev.cluster.lifecycle import external_kubeconfig
from dev.cluster.waiting import wait_until
from tests.local_cluster.pods import Kubectl, claim, log_of_ended, pod

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(external_kubeconfig() is not None, reason="about the local cluster alone"),
]


@pytest.fixture(scope="module")
def server(kubectl: Kubectl) -> str:
    """A pod that answers over HTTP from its volume, behind the Service `web`; the Service's address."""
    program = "open('/data/index.html', 'w').write('served'); import runpy, sys, os; os.chdir('/data'); "
    program += "sys.argv = ['http.server', '8080']; runpy.run_module('http.server', run_name='__main__')"
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    for document in (claim("1Gi"), service, pod("server", program)):
        applied = kubectl("apply", "-f", "-", document=document)
        assert applied.returncode == 0, applied.stderr
    ready = kubectl("wait", "--for=condition=Ready", "pod/server", "--timeout=60s")
    assert ready.returncode == 0, kubectl("describe", "pod", "server").stdout
    return kubectl("get", "service", "web", "-o=jsonpath={.spec.clusterIP}").stdout


def fetched(address: str) -> Callable[[], bool]:
    def fetch() -> bool:
        try:
            return httpx2.get(f"http://{address}/index.html", timeout=2).text == "served"
        except httpx2.TransportError:
            return False

    return fetch


def test_this_machine_reaches_services(server: str) -> None:
    wait_until(fetched(server), f"an answer of {server}", 20, "See log/kube-proxy.log.")


def test_pods_have_names_but_no_way_out(kubectl: Kubectl, server: str) -> None:
    wait_until(fetched(server), f"an answer of {server}", 20, "See log/kube-proxy.log.")
    program = """
import os, socket, urllib.request
print(os.getuid(), os.getgid())
print(urllib.request.urlopen("http://web/index.html", timeout=5).read().decode())
for what, attempt in {
    "root": lambda: open("/written", "w"),
    "name": lambda: socket.getaddrinfo("example.com", 443),
    "way out": lambda: socket.create_connection(("192.0.2.1", 443), 5),
}.items():
    try:
        attempt()
    except OSError as refused:
        print(what, type(refused).__name__, refused.errno)
"""
    kubectl("apply", "-f", "-", document=pod("client", program))
    assert log_of_ended(kubectl, "client").splitlines() == [
        "10001 10001",
        "served",
        "root OSError 30",  # EROFS
        "name gaierror -2",  # EAI_NONAME
        "way out OSError 101",  # ENETUNREACH
    ]


def test_secrets_are_encrypted_at_rest(kubectl: Kubectl) -> None:
    assert kubectl("create", "secret", "generic", "hidden", "--from-literal=word=plain").returncode == 0
    namespace = kubectl("get", "secret", "hidden", "-o=jsonpath={.metadata.namespace}").stdout
    key = base64.b64encode(f"/registry/secrets/{namespace}/hidden".encode()).decode()
    found = httpx2.post(f"{ETCD_URL}/v3/kv/range", json={"key": key}).raise_for_status().json()
    stored = base64.b64decode(found["kvs"][0]["value"])
    assert stored.startswith(b"k8s:enc:aescbc:v1:key1:")
    assert b"plain" not in stored
