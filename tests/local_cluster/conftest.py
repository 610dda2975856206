"""kubectl for the tests of the local cluster."""

import json
import subprocess
from collections.abc import Iterator
from uuid import uuid4

import pytest

from dev.cluster import kubeconfig_path, up
from dev.toolchain import kubectl as kubectl_path
from tests.local_cluster.pods import Kubectl


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """kubectl in a namespace of its own."""
    up()
    namespace = f"local-cluster-{uuid4().hex[:8]}"

    def run(*arguments: str, document: object = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(kubectl_path()), f"--kubeconfig={kubeconfig_path()}", f"--namespace={namespace}", *arguments],
            input=json.dumps(document) if document else None,
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("create", "namespace", namespace).returncode == 0
    yield run
    run("delete", "namespace", namespace, "--wait=false")
