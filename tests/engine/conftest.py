"""Fixtures for tests of the engine's parts."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lightkube import Client, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from dev.cluster.lifecycle import external_kubeconfig, kubeconfig_path, up
from tests.engine.pulumi_project import PulumiProject

NewProject = Callable[..., PulumiProject]


@pytest.fixture
def new_project(tmp_path: Path) -> NewProject:
    """Make a project from the text of its program and its settings."""

    def make(program: str, **settings: str) -> PulumiProject:
        return PulumiProject(tmp_path, program, **settings)

    return make


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """A kubeconfig of a running cluster."""
    if external_kubeconfig() is None:
        up()
    return kubeconfig_path()


@pytest.fixture
def client(kubeconfig: Path) -> Iterator[Client]:
    """A client of the cluster."""
    client = Client(KubeConfig.from_file(kubeconfig))
    yield client
    client.close()


@pytest.fixture
def namespace(client: Client) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"engine-{uuid.uuid4().hex[:8]}"
    client.create(Namespace(metadata=ObjectMeta(name=name)))
    yield name
    client.delete(Namespace, name)
