"""The vendor's resource as a real API server keeps it, under a kind that this test defines."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from lightkube import Client
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.apiextensions_v1 import (
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion,
    CustomResourceSubresources,
    CustomResourceValidation,
    JSONSchemaProps,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.types import PatchType

from catalyx_dr.adapters import validator_resource
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.target import CustomResourceTarget
from catalyx_dr.rules.identity import custom_resource_patch
from tests.components.specs import validator_spec
from tests.engine.conftest import client, kubeconfig, namespace

__all__ = ["client", "kubeconfig", "namespace"]
pytestmark = pytest.mark.cluster


@pytest.fixture
def target(client: Client) -> Iterator[CustomResourceTarget]:
    """A kind that only this test knows."""
    group = f"t{uuid.uuid4().hex[:8]}.example"
    names = CustomResourceDefinitionNames(kind="Validator", plural="validators", singular="validator")
    anything = JSONSchemaProps(type="object", x_kubernetes_preserve_unknown_fields=True)
    version = CustomResourceDefinitionVersion(
        name="v1",
        served=True,
        storage=True,
        schema=CustomResourceValidation(openAPIV3Schema=anything),
        subresources=CustomResourceSubresources(status={}),
    )
    definition = CustomResourceDefinition(
        metadata=ObjectMeta(name=f"validators.{group}"),
        spec=CustomResourceDefinitionSpec(group=group, names=names, scope="Namespaced", versions=[version]),
    )
    client.create(definition)

    def is_served() -> bool:
        found = client.get(CustomResourceDefinition, f"validators.{group}")
        conditions = (found.status.conditions if found.status else None) or []
        return any(one.type == "Established" and one.status == "True" for one in conditions)

    assert came_true(is_served, timedelta(seconds=20))
    yield CustomResourceTarget.model_validate(
        {
            "kind": "custom-resource",
            "api_version": f"{group}/v1",
            "resource_kind": "Validator",
            "name": "acme",
            "auto_init_off": {"participant": {"autoInit": False}},
        }
    )
    client.delete(CustomResourceDefinition, f"validators.{group}")


def test_import_is_patched_into_the_resource_and_the_rest_stays(
    client: Client, namespace: str, target: CustomResourceTarget
) -> None:
    cluster = Cluster(client, namespace)
    assert not validator_resource.exists(cluster, target)
    kind = create_namespaced_resource(target.group, "v1", "Validator", "validators")
    spec = {"nodeIdentifier": "acme-validator-1", "participant": {"autoInit": True, "storageSize": "40Gi"}}
    client.create(kind(metadata=ObjectMeta(name="acme", namespace=namespace), spec=spec))
    assert validator_resource.exists(cluster, target)
    assert validator_resource.is_observed(cluster, target) is None

    wanted = custom_resource_patch(validator_spec().model_copy(update={"target": target}), "acme-2")["spec"]
    validator_resource.patch(cluster, target, wanted)

    found = client.get(kind, "acme", namespace=namespace)
    assert found["spec"] == {
        "nodeIdentifier": "acme-validator-1",
        "participant": {"autoInit": False, "storageSize": "40Gi"},
        "participantIdentitiesDumpImport": {
            "identitiesSecretName": "participant-bootstrap-dump",
            "newParticipantIdentifier": "acme-2",
        },
        "migrateValidatorParty": True,
    }
    _say_observed(client, kind, namespace, 1)
    assert validator_resource.is_observed(cluster, target) is False
    _say_observed(client, kind, namespace, 2)
    assert validator_resource.is_observed(cluster, target) is True


def _say_observed(client: Client, kind: type, namespace: str, generation: int) -> None:
    """What an operator does."""
    status = {"status": {"observedGeneration": generation}}
    client.patch(kind.Status, "acme", status, namespace=namespace, patch_type=PatchType.MERGE)  # type: ignore[attr-defined]
