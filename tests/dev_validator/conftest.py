"""Fixtures of the stand-in validator's tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dev_validator.harness import (
    IdentityProvider,
    PostgresServer,
    Validator,
    ValidatorFactory,
    running_scan,
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    yield provider
    provider.stop()


@pytest.fixture(scope="session")
def scan_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_scan(tmp_path_factory.mktemp("scan")) as url:
        yield url


@pytest.fixture
def make_validator(
    postgres: PostgresServer, provider: IdentityProvider, scan_url: str, tmp_path: Path
) -> Iterator[ValidatorFactory]:
    made: list[Validator] = []

    def make(name: str) -> Validator:
        made.append(Validator(postgres, provider, scan_url, tmp_path, name))
        return made[-1]

    yield make
    for validator in made:
        validator.stop()


@pytest.fixture(scope="module")
def running(
    postgres: PostgresServer, provider: IdentityProvider, scan_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Validator]:
    """One onboarded validator for all tests of a module that only ask it."""
    validator = Validator(postgres, provider, scan_url, tmp_path_factory.mktemp("running"), "running")
    try:
        validator.start()
        yield validator
    finally:
        validator.stop()
