"""Who manages which field of an object (Kubernetes server-side apply), and what that means for an update."""

from typing import Any

from dev.engine.kubernetes_plugin.property_paths import parse_path
from dev.engine.kubernetes_plugin.property_values import KubernetesObject

# Objects are created by a plain POST under this name; the first update takes the fields over for its own manager.
CREATING_MANAGER = "pulumi-kubernetes"
_TAKEN_OVER = (CREATING_MANAGER, "pulumi-resource-kubernetes", "kubectl", "before-first-apply")

ManagedField = dict[str, Any]


def take_over(live: KubernetesObject, manager: str) -> list[ManagedField] | None:
    """Return managedFields in which `manager` applies what creation wrote, or None when there is nothing to do."""
    entries: list[ManagedField] = live["metadata"].get("managedFields", [])
    created = [entry for entry in entries if _is_from_creation(entry)]
    if not created:
        return None
    applied = [entry for entry in entries if _is_applied_by(entry, manager)]
    merged = dict(created[0], manager=manager, operation="Apply", fieldsV1={})
    for entry in [*applied, *created]:
        merged["fieldsV1"] = _union(merged["fieldsV1"], entry["fieldsV1"])
    return [merged, *(entry for entry in entries if entry not in created and entry not in applied)]


def created_by_plugin(live: KubernetesObject) -> bool:
    """Tell whether fields still belong to the manager of creation, so that a dry run would conflict with it."""
    return any(_is_from_creation(entry) for entry in live["metadata"].get("managedFields", []))


def _is_from_creation(entry: ManagedField) -> bool:
    return entry["operation"] == "Update" and entry["manager"] in _TAKEN_OVER and not entry.get("subresource")


def _is_applied_by(entry: ManagedField, manager: str) -> bool:
    return entry["operation"] == "Apply" and entry["manager"] == manager and not entry.get("subresource")


def _union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = dict(one)
    for key, value in other.items():
        merged[key] = _union(merged[key], value) if key in merged else value
    return merged


def leave_ignored_fields(
    desired: KubernetesObject, live: KubernetesObject, ignored: list[str], manager: str
) -> KubernetesObject:
    """Return the object to apply when changes of the paths in `ignored` are none of ours.

    A field that another manager alone owns is left out, so that it stays theirs; any other keeps its live value.
    Paths into lists are left as declared, like the official plugin does.
    """
    for text in ignored:
        path = parse_path(text)
        if not all(isinstance(step, str) and step != "*" for step in path):
            continue
        owners = {
            _owner(entry, manager)
            for entry in live["metadata"].get("managedFields", [])
            if _covers(entry.get("fieldsV1", {}), path)
        }
        if owners == {"other"}:
            desired = _without(desired, path)
        else:
            found, value = _lookup(live, path)
            desired = _with(desired, path, value) if found else desired
    return desired


def _owner(entry: ManagedField, manager: str) -> str:
    return "ours" if entry["manager"] == manager or _is_from_creation(entry) else "other"


def _covers(fields: dict[str, Any], path: tuple[str | int, ...]) -> bool:
    for step in path:
        if f"f:{step}" not in fields:
            return False
        fields = fields[f"f:{step}"]
    return True


def _lookup(value: Any, path: tuple[str | int, ...]) -> tuple[bool, Any]:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return False, None
        value = value[step]
    return True, value


def _with(obj: KubernetesObject, path: tuple[str | int, ...], value: Any) -> KubernetesObject:
    key = str(path[0])
    inner = obj.get(key)
    rest = path[1:]
    return obj | {key: _with(inner if isinstance(inner, dict) else {}, rest, value) if rest else value}


def _without(obj: KubernetesObject, path: tuple[str | int, ...]) -> KubernetesObject:
    key = str(path[0])
    if key not in obj:
        return obj
    if len(path) == 1:
        return {name: value for name, value in obj.items() if name != key}
    inner = obj[key]
    return obj | {key: _without(inner, path[1:])} if isinstance(inner, dict) else obj
