"""Rights as the real API server tells them, and the list of rights against the Role that is made of it."""

from datetime import timedelta
from pathlib import Path

import pytest
from lightkube import Client, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.models.rbac_v1 import PolicyRule, RoleRef, Subject
from lightkube.resources.core_v1 import ServiceAccount
from lightkube.resources.rbac_authorization_v1 import Role, RoleBinding

from catalyx_dr.adapters.access import denied
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.rules.recovery_rights import recovery_rights
from tests.components.specs import validator_spec
from tests.engine.conftest import client, kubeconfig, namespace

__all__ = ["client", "kubeconfig", "namespace"]
pytestmark = pytest.mark.cluster


def test_the_role_of_a_recovery_holds_every_right_that_it_asks_for(
    client: Client, kubeconfig: Path, namespace: str
) -> None:
    rights = recovery_rights(validator_spec(namespace=namespace))
    metadata = ObjectMeta(name="acme-recovery", namespace=namespace)
    rules = [
        PolicyRule(
            apiGroups=[right.group],
            resources=[right.resource],
            verbs=list(right.verbs),
            resourceNames=list(right.names) or None,
        )
        for right in rights
    ]
    client.create(ServiceAccount(metadata=metadata))
    client.create(Role(metadata=metadata, rules=rules))
    account = KubeConfig.from_file(kubeconfig).get()
    assert account is not None
    with_account = Client(account, namespace=namespace)
    with_account._client._client.headers["Impersonate-User"] = f"system:serviceaccount:{namespace}:acme-recovery"
    cluster = Cluster(with_account, namespace)
    try:
        assert "patch deployments participant" in denied(cluster, rights)
        client.create(
            RoleBinding(
                metadata=metadata,
                roleRef=RoleRef(apiGroup="rbac.authorization.k8s.io", kind="Role", name="acme-recovery"),
                subjects=[Subject(kind="ServiceAccount", name="acme-recovery", namespace=namespace)],
            )
        )
        assert came_true(lambda: denied(cluster, rights) == (), timedelta(seconds=20))
    finally:
        with_account.close()
