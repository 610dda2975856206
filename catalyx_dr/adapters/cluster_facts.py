"""What the policy asks of a cluster: Secrets by name, storage classes, workloads, backups of other tools; read-only."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.core_v1 import Secret
from lightkube.resources.storage_v1 import StorageClass

from catalyx_dr.adapters.cluster import FIELD_MANAGER, MANAGED_BY, Cluster, explained, if_there
from catalyx_dr.adapters.volume_snapshots import VolumeSnapshot
from catalyx_dr.model.environment_spec import EnvironmentSpec
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.rules.policy.cluster_facts import ClusterFacts, named_secrets

# Only their names are read, so that what they specify is left as it comes.
_WORKLOADS = {
    "deployment": create_namespaced_resource("apps", "v1", "Deployment", "deployments"),
    "statefulset": create_namespaced_resource("apps", "v1", "StatefulSet", "statefulsets"),
}
VeleroSchedule = create_namespaced_resource("velero.io", "v1", "Schedule", "schedules")
_AT_ONCE = 8
Answer = TypeVar("Answer")


def observe(cluster: Cluster, spec: EnvironmentSpec) -> tuple[ClusterFacts, tuple[str, ...]]:
    """Facts about a stack's validators, and what the identity in use may not look up.

    Raises UnreachableError when the cluster does not answer.
    """
    namespaces = sorted({validator.namespace for validator in spec.validators})
    refused: list[str] = []

    def allowed(what: str, ask: Callable[[], Answer], otherwise: Answer) -> Answer:
        try:
            return ask()
        except RefusedError:
            refused.append(what)
            return otherwise

    facts = ClusterFacts(
        secrets=allowed("Secrets", lambda: _secrets(cluster, spec), {}),
        storage_classes=allowed("storage classes", lambda: _storage_classes(cluster), None),
        workloads=allowed("workloads", lambda: _workloads(cluster, namespaces), {}),
        other_backups=allowed("backups of other tools", lambda: _other_backups(cluster, namespaces), {}),
    )
    return facts, tuple(refused)


def _secrets(cluster: Cluster, spec: EnvironmentSpec) -> Mapping[str, Mapping[str, frozenset[str]]]:
    """Keys of the named Secrets; values are dropped where they arrive."""
    places = {(validator.namespace, name) for validator in spec.validators for _, name, _ in named_secrets(validator)}
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = list(threads.map(lambda place: (place, _keys(cluster, *place)), sorted(places)))
    secrets: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
    for (namespace, name), keys in found:
        secrets[namespace].update({name: keys} if keys is not None else {})
    return secrets


def _keys(cluster: Cluster, namespace: str, name: str) -> frozenset[str] | None:
    return if_there(
        f"read the keys of Secret {namespace}/{name}",
        lambda: frozenset(cluster.client.get(Secret, name, namespace=namespace).data or {}),
    )


def _storage_classes(cluster: Cluster) -> Mapping[str, bool]:
    with explained("list storage classes"):
        return {_name(found): bool(found.allowVolumeExpansion) for found in cluster.client.list(StorageClass)}


def _workloads(cluster: Cluster, namespaces: Iterable[str]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {namespace: set() for namespace in namespaces}
    for kind, resource in _WORKLOADS.items():
        for namespace, workload in _listed(cluster, resource, found):
            found[namespace].add(f"{kind}/{_name(workload)}")
    return {namespace: frozenset(names) for namespace, names in found.items()}


def _other_backups(cluster: Cluster, namespaces: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    wanted = list(namespaces)
    snapshots: dict[str, int] = defaultdict(int)
    for namespace, snapshot in _listed(cluster, VolumeSnapshot, wanted):
        snapshots[namespace] += (snapshot.metadata.labels or {}).get(MANAGED_BY) != FIELD_MANAGER
    schedules = list(_everywhere(cluster, VeleroSchedule))
    return {
        namespace: (
            *(f"the Velero schedule {_name(one)}" for one in schedules if _covers(one, namespace)),
            *((f"{snapshots[namespace]} VolumeSnapshots",) if snapshots[namespace] else ()),
        )
        for namespace in wanted
    }


def _covers(schedule: Any, namespace: str) -> bool:
    """Tell whether a Velero schedule takes this namespace: all, when it names none."""
    template = (schedule.get("spec") or {}).get("template") or {}
    included, excluded = template.get("includedNamespaces") or ["*"], template.get("excludedNamespaces") or []
    return ("*" in included or namespace in included) and not {"*", namespace} & set(excluded)


def _listed(cluster: Cluster, resource: Any, namespaces: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Objects of these namespaces: one request where all may be listed, else one a namespace."""
    wanted = list(namespaces)
    try:
        found = list(_everywhere(cluster, resource))
    except RefusedError:
        found = [one for namespace in wanted for one in _in(cluster, resource, namespace)]
    for one in found:
        if one.metadata.namespace in wanted:
            yield one.metadata.namespace, one


def _everywhere(cluster: Cluster, resource: Any) -> list[Any]:
    return _in(cluster, resource, "*")


def _in(cluster: Cluster, resource: Any, namespace: str) -> list[Any]:
    """Objects of a namespace; none when the cluster does not know the kind."""
    return if_there(f"list {resource.__name__}", lambda: list(cluster.client.list(resource, namespace=namespace))) or []


def _name(found: Any) -> str:
    return found.metadata.name if found.metadata and found.metadata.name else ""
