"""What the engine keeps of a provider: a reference, so that a thousand resources neither nest nor swell the state."""

import base64
from typing import Any

import dill  # type: ignore[import-untyped]
import pytest
from pulumi import ResourceOptions
from pulumi.dynamic.dynamic import serialize_provider

from dynamic_providers.database_restore import DatabaseRestoreProvider
from dynamic_providers.ensured_bucket import EnsuredBucket, EnsuredBucketArgs, EnsuredBucketProvider
from dynamic_providers.identity_import import IdentityImportProvider
from tests.components.rendering import declared_by

PROVIDERS = (DatabaseRestoreProvider, IdentityImportProvider, EnsuredBucketProvider)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_provider_is_kept_as_a_reference(provider: Any) -> None:
    text = serialize_provider(provider())
    assert len(text) < 150
    assert provider().__dict__ == {}
    assert provider.serialize_as_secret_always is False
    assert type(dill.loads(base64.b64decode(text))) is provider  # noqa: S301 - what was just made


def test_a_thousand_dynamic_resources_register() -> None:
    def declare() -> None:
        for number in range(1000):
            args = EnsuredBucketArgs(f"v{number}", "canton", "r1", "backups", "http://s3", "none", {})
            EnsuredBucket(f"bucket-{number}", args, ResourceOptions())

    assert len(declared_by(declare)) == 1000
