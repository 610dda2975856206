"""Fields that the API server does not let change, so that a change means a new object.

The lists are those of the official plugin's documentation and behaviour; data of a ConfigMap or Secret counts as
immutable unless the provider option enableConfigMapMutable or enableSecretMutable is set.
"""

from dataclasses import dataclass
from typing import Any

from dev.engine.kubernetes_plugin.object_identity import Kind
from dev.engine.kubernetes_plugin.property_paths import PropertyPath, is_within, parse_path
from dev.engine.kubernetes_plugin.property_values import KubernetesObject

_IDENTITY = ("metadata.name", "metadata.namespace", "kind")
_IMMUTABLE: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "StatefulSet"): (
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner"),
    ("", "PersistentVolume"): tuple(
        f"spec.{source}" for source in ("csi", "fc", "hostPath", "iscsi", "local", "nfs", "rbd")
    ),
    ("", "PersistentVolumeClaim"): (
        "spec.accessModes",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeName",
    ),
    ("", "Pod"): ("spec",),
    ("", "ResourceQuota"): ("spec.scopes",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP",),
}


@dataclass(frozen=True)
class MutabilityOptions:
    """Provider options that let the contents of objects change in place."""

    config_map: bool = False
    secret: bool = False


def immutable_fields(kind: Kind, inputs: KubernetesObject, options: MutabilityOptions) -> list[PropertyPath]:
    """Return the paths whose change replaces the object."""
    paths = [*_IDENTITY, *_IMMUTABLE.get((kind.group, kind.kind), ())]
    sealed = inputs.get("immutable") is True
    if (kind.group, kind.kind) == ("", "ConfigMap") and (sealed or not options.config_map):
        paths += ["data", "binaryData"]
    if (kind.group, kind.kind) == ("", "Secret") and (sealed or not options.secret):
        paths += ["data", "stringData"]
    return [parse_path(path) for path in paths]


def touches(path: PropertyPath, values: tuple[Any, Any], fields: list[PropertyPath]) -> bool:
    """Tell whether a change at `path`, from the first of `values` to the second, reaches one of `fields`."""
    named = tuple(step for step in path if isinstance(step, str))
    return any(
        is_within(named, field)
        or (is_within(field, named) and any(_holds(value, field[len(named) :]) for value in values))
        for field in fields
    )


def _holds(value: Any, path: PropertyPath) -> bool:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True
