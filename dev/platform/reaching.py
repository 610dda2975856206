"""Reaching a Service from this machine: directly in the local cluster, through a forwarded port in any other."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lightkube import Client
from lightkube.resources.core_v1 import Service

from dev.cluster import external_kubeconfig
from dev.steps import StepError
from dev.toolchain import kubectl

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@contextmanager
def reached(api: Client, namespace: str, name: str, port: int) -> Iterator[tuple[str, int]]:
    """Host and port under which a Service answers; raises StepError when it cannot be reached."""
    if external_kubeconfig() is None:
        yield _cluster_address(api, namespace, name), port
        return
    with subprocess.Popen(_forward(namespace, name, port), stdout=subprocess.PIPE, text=True) as forwarding:
        try:
            first = forwarding.stdout.readline() if forwarding.stdout else ""
            match = _FORWARDING.search(first)
            if match is None:
                raise StepError(f"port {port} of Service {namespace}/{name} cannot be forwarded; see the lines above")
            yield "127.0.0.1", int(match[1])
        finally:
            forwarding.terminate()


def _cluster_address(api: Client, namespace: str, name: str) -> str:
    spec = api.get(Service, name, namespace=namespace).spec
    if spec is None or spec.clusterIP is None:
        raise StepError(f"Service {namespace}/{name} has no address")
    return spec.clusterIP


def _forward(namespace: str, name: str, port: int) -> list[str]:
    program = shutil.which("kubectl") or str(kubectl())
    target = ["--kubeconfig", str(external_kubeconfig()), "--namespace", namespace, "port-forward"]
    return [program, *target, "--address", "127.0.0.1", f"service/{name}", f":{port}"]
