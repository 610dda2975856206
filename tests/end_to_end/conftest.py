"""The local stack, declared once for the tests of a file, on the local platform."""

from collections.abc import Iterator

import pytest
from lightkube import Client

from dev import cluster, platform
from dev.local_stack import LocalStack
from tests.end_to_end.declared_stack import DeclaredStack


@pytest.fixture(scope="session")
def platform_api() -> Iterator[Client]:
    """The platform, ready; the validator has its databases."""
    cluster.up()
    platform.up()
    with platform.client() as api:
        yield api


@pytest.fixture(scope="module")
def stack(platform_api: Client, tmp_path_factory: pytest.TempPathFactory) -> DeclaredStack:
    """The local stack after its first `pulumi up`, in a folder of its own."""
    local = LocalStack(tmp_path_factory.mktemp("stack"))
    local.create()
    declared = DeclaredStack(local, platform_api)
    first = declared.up()
    assert first.code == 0, first.told
    return declared


@pytest.fixture
def unchanged_stack(stack: DeclaredStack) -> Iterator[DeclaredStack]:
    """The stack; afterwards its file is again as committed."""
    yield stack
    stack.declare(restore=None, identityImport=None)
    stack.declare_validator()
