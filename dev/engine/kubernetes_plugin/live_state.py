"""How an object read from the cluster becomes a resource's inputs again: without what the server filled in."""

import base64
import binascii
from typing import Any

from lightkube.utils.quantity import parse_quantity

from dev.engine.kubernetes_plugin.property_values import UNKNOWN, KubernetesObject

_SERVER_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_SERVER_ANNOTATIONS = (
    "deployment.kubernetes.io/revision",
    "kubectl.kubernetes.io/last-applied-configuration",
)
_QUANTITY_MAPS = ("capacity", "hard", "limits", "requests")
# Schemas of custom resources: names that are no identifiers are written with underscores in SDKs.
_DASHED_NAMES = {
    name.replace("-", "_"): name
    for name in (
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    )
}
_UNDERSCORED_NAMES = {dashed: underscored for underscored, dashed in _DASHED_NAMES.items()}


def prune(live: Any, inputs: Any, parent: str = "") -> Any:
    """Reduce a live value to what `inputs` declares, so that the two can be compared.

    Equal quantities written differently (1024Mi, 1Gi) keep the declared writing.
    """
    if isinstance(live, dict) and isinstance(inputs, dict):
        return {key: prune_entry(live[key], inputs[key], key, parent) for key in inputs if key in live}
    if isinstance(live, list) and isinstance(inputs, list):
        return [prune(ours, theirs) for ours, theirs in zip(live, inputs, strict=False)]
    return live


def prune_entry(live: Any, declared: Any, key: str, parent: str) -> Any:
    """Reduce the value of one key; `parent` is the key of the map it stands in."""
    if (parent in _QUANTITY_MAPS or key == "sizeLimit") and _same_quantity(live, declared):
        return declared
    return prune(live, declared, key)


def _same_quantity(one: Any, other: Any) -> bool:
    try:
        return parse_quantity(str(one)) == parse_quantity(str(other))
    except ValueError:
        return False


def inputs_of_unmanaged(live: KubernetesObject) -> KubernetesObject:
    """Return inputs for an object that is imported: all of it but status and what only the server writes."""
    inputs = {key: value for key, value in live.items() if key != "status"}
    metadata = {key: value for key, value in live["metadata"].items() if key not in _SERVER_METADATA}
    annotations = {
        key: value for key, value in metadata.get("annotations", {}).items() if key not in _SERVER_ANNOTATIONS
    }
    metadata.pop("annotations", None)
    inputs["metadata"] = metadata | ({"annotations": annotations} if annotations else {})
    return inputs


def request_body(inputs: KubernetesObject) -> KubernetesObject:
    """Return the object to send: the declared one with the names of schema extensions as the API has them."""
    return _rename(inputs, _DASHED_NAMES) if inputs.get("kind") == "CustomResourceDefinition" else inputs


def response_properties(live: KubernetesObject) -> KubernetesObject:
    """Return a received object with the names of schema extensions as SDKs have them."""
    return _rename(live, _UNDERSCORED_NAMES) if live.get("kind") == "CustomResourceDefinition" else live


def _rename(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _rename(inner, names) for key, inner in value.items()}
    return [_rename(inner, names) for inner in value] if isinstance(value, list) else value


def encode_string_data(secret: KubernetesObject) -> KubernetesObject:
    """Return a Secret whose `stringData` is moved to `data`, as the API server would, when all of it is known."""
    text = secret.get("stringData")
    if not isinstance(text, dict) or UNKNOWN in text.values():
        data = secret.get("data")
        return secret | {"data": _canonical(data)} if isinstance(data, dict) and data else secret
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
    rest = {key: value for key, value in secret.items() if key != "stringData"}
    return rest | {"data": {**_canonical(rest.get("data") or {}), **encoded}}


def _canonical(data: KubernetesObject) -> KubernetesObject:
    return {key: _canonical_base64(value) for key, value in data.items()}


def _canonical_base64(value: Any) -> Any:
    """Write base64 as the API server gives it back: without line breaks. Anything else is left for it to refuse."""
    try:
        return base64.b64encode(base64.b64decode(value)).decode() if value != UNKNOWN else value
    except (binascii.Error, TypeError, ValueError):
        return value
