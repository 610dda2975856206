"""Which Kubernetes object a Pulumi resource is: kind from the type token, name, namespace, identifier."""

import hashlib
import secrets
from dataclasses import dataclass

from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto.provider_pb2 import CheckRequest

from dev.engine.kubernetes_plugin.property_values import KubernetesObject, to_python

AUTONAMED = "pulumi.com/autonamed"
_AUTONAME_HEX_DIGITS = 8
_CLUSTER_SCOPED = {
    "": {"Namespace", "Node", "PersistentVolume"},
    "admissionregistration.k8s.io": {
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    },
    "apiextensions.k8s.io": {"CustomResourceDefinition"},
    "apiregistration.k8s.io": {"APIService"},
    "certificates.k8s.io": {"CertificateSigningRequest"},
    "networking.k8s.io": {"IngressClass", "IPAddress", "ServiceCIDR"},
    "node.k8s.io": {"RuntimeClass"},
    "rbac.authorization.k8s.io": {"ClusterRole", "ClusterRoleBinding"},
    "scheduling.k8s.io": {"PriorityClass"},
    "storage.k8s.io": {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"},
}
_NAMESPACED_GROUPS = {"apps", "autoscaling", "batch", "coordination.k8s.io", "discovery.k8s.io", "policy"}


class UnsupportedResourceError(Exception):
    """The resource is of a type that only the official plugin offers."""


@dataclass(frozen=True)
class Kind:
    """Group (empty for the core group), version and kind of an object."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """The object's apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def built_in_scope(self) -> bool | None:
        """Tell whether objects of this kind have a namespace; None when only the API server knows."""
        cluster_scoped = _CLUSTER_SCOPED.get(self.group)
        if cluster_scoped is not None:
            return self.kind not in cluster_scoped
        return True if self.group in _NAMESPACED_GROUPS else None


def kind_of_token(token: str) -> Kind:
    """Return the kind that a type token such as `kubernetes:batch/v1:CronJob` names.

    Raises UnsupportedResourceError for charts, YAML files, Patch and List kinds.
    """
    _, _, rest = token.partition(":")
    module, _, kind = rest.partition(":")
    group, _, version = module.partition("/")
    no_object = group in ("helm.sh", "yaml", "kustomize") or not version
    if no_object or kind.endswith("Patch") or (kind.endswith("List") and kind != "List"):
        raise UnsupportedResourceError(
            f"{token} is not offered by this development plugin; "
            "declare single objects, or install the official pulumi-resource-kubernetes"
        )
    return Kind("" if group == "core" else group, version, kind)


def kind_of_object(obj: KubernetesObject) -> Kind:
    """Return the kind that an object's apiVersion and kind name."""
    group, slash, version = obj["apiVersion"].rpartition("/")
    return Kind(group if slash and group != "core" else "", version, obj["kind"])


def object_id(obj: KubernetesObject) -> str:
    """Return the resource identifier: `namespace/name`, or the name alone."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def split_id(identifier: str) -> tuple[str, str]:
    """Return namespace (or an empty text) and name of an identifier."""
    namespace, _, name = identifier.rpartition("/")
    return namespace, name


def annotation(obj: KubernetesObject, name: str) -> str:
    """Return an annotation's value, or an empty text."""
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return str(annotations.get(name, "")) if isinstance(annotations, dict) else ""


def complete_name(inputs: Struct, request: CheckRequest) -> None:
    """Give unnamed inputs the old automatic name, or a new one: the resource's name and 8 hexadecimal digits.

    Raises ValueError when the project's settings forbid automatic names.
    """
    if "metadata" not in inputs.fields:
        inputs.fields["metadata"].struct_value.SetInParent()
    if inputs.fields["metadata"].WhichOneof("kind") != "struct_value":
        return  # not known before the update
    metadata = inputs.fields["metadata"].struct_value
    if "name" in metadata.fields and metadata.fields["name"].string_value:
        return
    if "generateName" in metadata.fields:
        raise ValueError("metadata.generateName does not work with server-side apply; set metadata.name or neither")
    old = to_python(request.olds)
    old_name = old.get("metadata", {}).get("name") if annotation(old, AUTONAMED) == "true" else None
    metadata.fields["name"].string_value = old_name or _new_name(request)
    if "annotations" not in metadata.fields:
        metadata.fields["annotations"].struct_value.SetInParent()
    if metadata.fields["annotations"].WhichOneof("kind") == "struct_value":
        metadata.fields["annotations"].struct_value.fields[AUTONAMED].string_value = "true"


def _new_name(request: CheckRequest) -> str:
    if request.HasField("autonaming"):
        if request.autonaming.mode == CheckRequest.AutonamingOptions.Mode.DISABLE:
            raise ValueError("automatic names are disabled; set metadata.name")
        if request.autonaming.proposed_name:
            return request.autonaming.proposed_name
    resource_name = request.urn.rpartition("::")[2]
    if request.randomSeed:
        digits = hashlib.sha256(request.randomSeed).hexdigest()[:_AUTONAME_HEX_DIGITS]
    else:
        digits = secrets.token_hex(_AUTONAME_HEX_DIGITS // 2)
    return f"{resource_name}-{digits}"
