"""The vendor's resource of a validator: read and patched under the group and kind that the stack gives."""

from lightkube.generic_resource import GenericNamespacedResource, create_namespaced_resource
from lightkube.types import PatchType
from pydantic import JsonValue

from catalyx_dr.adapters.cluster import Cluster, explained, if_there
from catalyx_dr.model.target import CustomResourceTarget


def exists(cluster: Cluster, target: CustomResourceTarget) -> bool:
    """Tell whether the resource is there; a kind that the cluster does not know has none."""
    return if_there(_title(cluster, target, "read"), lambda: _get(cluster, target)) is not None


def patch(cluster: Cluster, target: CustomResourceTarget, spec: JsonValue) -> None:
    """Merge `spec` into the resource's spec; other fields stay as they are."""
    with explained(_title(cluster, target, "patch")):
        cluster.client.patch(
            _kind(target), target.name, {"spec": spec}, namespace=cluster.namespace, patch_type=PatchType.MERGE
        )


def is_observed(cluster: Cluster, target: CustomResourceTarget) -> bool | None:
    """Tell whether its operator has seen the newest change; None when the resource does not say that."""
    with explained(_title(cluster, target, "read")):
        found = _get(cluster, target)
    observed = (found.get("status") or {}).get("observedGeneration")
    return None if observed is None else bool(observed >= (found.metadata.generation or 0 if found.metadata else 0))


def _get(cluster: Cluster, target: CustomResourceTarget) -> GenericNamespacedResource:
    return cluster.client.get(_kind(target), target.name, namespace=cluster.namespace)


def _kind(target: CustomResourceTarget) -> type[GenericNamespacedResource]:
    version = target.api_version.split("/")[1]
    return create_namespaced_resource(target.group, version, target.resource_kind, target.plural)


def _title(cluster: Cluster, target: CustomResourceTarget, verb: str) -> str:
    return f"{verb} {target.resource_kind} {cluster.namespace}/{target.name}"
