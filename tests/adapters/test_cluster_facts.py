"""What the policy asks of a cluster, from a real API server: Secrets, classes, workloads, other tools' backups."""

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube import Client
from lightkube.core.exceptions import ApiError
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Secret, ServiceAccount, ServiceAccountToken

from catalyx_dr.adapters.cluster import Cluster, connect, if_there, labels
from catalyx_dr.adapters.cluster_facts import VeleroSchedule, observe
from catalyx_dr.adapters.volume_snapshots import VolumeSnapshot
from catalyx_dr.model.environment_spec import EnvironmentSpec
from catalyx_dr.model.errors import UnreachableError
from catalyx_dr.rules.environments import load_environment
from catalyx_dr.rules.policy import cluster_findings
from dev.cluster.waiting import wait_until
from tests.components.specs import VALIDATOR, raw_stack

pytestmark = pytest.mark.cluster
_OF_OTHERS = (VeleroSchedule, VolumeSnapshot)


def stack_in(namespace: str, storage_class: str = "standard") -> EnvironmentSpec:
    validator = deepcopy(VALIDATOR) | {"namespace": namespace}
    validator["backup"]["volume"]["storageClass"] = storage_class
    return load_environment(raw_stack(validators=[validator]))


@pytest.fixture
def cluster(kubeconfig: Path, namespace: str) -> Iterator[Cluster]:
    cluster = connect(namespace, str(kubeconfig))
    yield cluster
    cluster.client.close()


@pytest.fixture
def kinds_of_others(client: Client) -> Iterator[None]:
    """Definitions of Velero schedules and snapshots, where the cluster has not got them itself."""
    made = [_define(client, kind) for kind in _OF_OTHERS]
    for kind in _OF_OTHERS:
        wait_until(
            partial(_is_served, client, kind),
            f"{kind.__name__} to be served",
            30,
            "The API server serves new kinds at once.",
        )
    yield
    for name in filter(None, made):
        client.delete(CustomResourceDefinition, name)


def _define(client: Client, kind: Any) -> str | None:
    resource, plural = kind._api_info.resource, kind._api_info.plural
    name = f"{plural}.{resource.group}"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": resource.version, "served": True, "storage": True, "schema": schema}
    names = {"plural": plural, "kind": resource.kind}
    spec = {"group": resource.group, "scope": "Namespaced", "names": names, "versions": [version]}
    document = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
        "spec": spec,
    }
    try:
        client.create(CustomResourceDefinition.from_dict(document))  # type: ignore[call-overload]
    except ApiError as error:
        if error.status.reason == "AlreadyExists":
            return None
        raise
    return name


def _is_served(client: Client, kind: Any) -> bool:
    with suppress(UnreachableError):  # 429, while its storage is made
        return if_there(f"list {kind.__name__}", lambda: list(client.list(kind, namespace="*"))) is not None
    return False


def test_keys_of_secrets_are_told_and_never_their_values(client: Client, cluster: Cluster, namespace: str) -> None:
    metadata = ObjectMeta(name="postgres-secrets", namespace=namespace)
    client.create(Secret(metadata=metadata, stringData={"password": "hunter2"}))
    facts, denied = observe(cluster, stack_in(namespace))
    assert denied == ()
    assert facts.secrets == {namespace: {"postgres-secrets": frozenset({"password"})}}
    assert "hunter2" not in repr(facts)
    reasons = [one.reason for one in cluster_findings(stack_in(namespace), facts) if one.id == "DR090"]
    assert reasons == [
        "Secret 'postgres-secrets' has no key 'postgresPassword'; it has password",
        f"Secret 'splice-app-validator-ledger-api-auth' is not in namespace {namespace}",
        f"Secret 'backup-store' is not in namespace {namespace}",
    ]


def test_workloads_and_storage_classes_are_found(client: Client, cluster: Cluster, namespace: str) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "none.example/a"}]}}
    document = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "validator-app", "namespace": namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    client.create(Deployment.from_dict(document))  # type: ignore[call-overload]
    facts, _ = observe(cluster, stack_in(namespace))
    assert facts.workloads == {namespace: frozenset({"deployment/validator-app"})}
    assert facts.storage_classes is not None
    assert facts.storage_classes["standard"]
    found = cluster_findings(stack_in(namespace, storage_class="absent"), facts)
    assert [one.reason for one in found if one.id in ("DR092", "DR093")] == [
        "the cluster has no storage class 'absent'",
        f"deployment/participant is not in namespace {namespace}",
    ]


@pytest.mark.usefixtures("kinds_of_others")
def test_snapshots_and_velero_schedules_are_found(client: Client, cluster: Cluster, namespace: str) -> None:
    def schedule(name: str, included: list[str]) -> None:
        spec = {"schedule": "0 0 * * *", "template": {"includedNamespaces": included}}
        client.create(VeleroSchedule(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec))

    schedule("nightly", [namespace])
    schedule("of-another", ["somewhere-else"])
    snapshot = {"source": {"persistentVolumeClaimName": "data"}}
    client.create(VolumeSnapshot(metadata=ObjectMeta(name="monday", namespace=namespace), spec=snapshot))
    ours = ObjectMeta(name="ours", namespace=namespace, labels=labels("acme"))
    client.create(VolumeSnapshot(metadata=ours, spec=snapshot))
    facts, _ = observe(cluster, stack_in(namespace))
    assert facts.other_backups == {namespace: ("the Velero schedule nightly", "1 VolumeSnapshots")}
    (found,) = [one for one in cluster_findings(stack_in(namespace), facts) if one.id == "DR091"]
    assert found.reason == f"the Velero schedule nightly, 1 VolumeSnapshots already back up {namespace}"


def test_cluster_without_velero_has_no_schedules_of_it(cluster: Cluster, namespace: str) -> None:
    facts, _ = observe(cluster, stack_in(namespace))
    assert facts.other_backups == {namespace: ()}


def test_what_may_not_be_looked_up_is_said_and_judged_by_nobody(
    client: Client, kubeconfig: Path, namespace: str
) -> None:
    client.create(ServiceAccount(metadata=ObjectMeta(name="nobody", namespace=namespace)))
    asked = ServiceAccountToken(metadata=ObjectMeta(), spec=TokenRequestSpec(audiences=[]))
    answer = client.create(asked, "nobody", namespace=namespace)
    assert answer.status is not None
    document = yaml.safe_load(kubeconfig.read_text())
    document["users"] = [{"name": user["name"], "user": {"token": answer.status.token}} for user in document["users"]]
    limited = connect(namespace, json.dumps(document) + "\n")
    try:
        facts, denied = observe(limited, stack_in(namespace))
    finally:
        limited.client.close()
    assert denied == ("Secrets", "storage classes", "workloads", "backups of other tools")
    assert cluster_findings(stack_in(namespace), facts) == ()
