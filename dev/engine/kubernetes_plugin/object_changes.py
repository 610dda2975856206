"""Creates, changes and deletes objects in the cluster, and waits until that is done."""

import threading
from dataclasses import dataclass
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential
from tenacity.nap import sleep_using_event

from dev.engine.kubernetes_plugin.api_client import ApiClient, ApiError
from dev.engine.kubernetes_plugin.field_ownership import (
    CREATING_MANAGER,
    created_by_plugin,
    leave_ignored_fields,
    take_over,
)
from dev.engine.kubernetes_plugin.live_state import request_body
from dev.engine.kubernetes_plugin.object_identity import annotation
from dev.engine.kubernetes_plugin.property_values import KubernetesObject
from dev.engine.kubernetes_plugin.readiness import (
    DEFAULT_TIMEOUT_SECONDS,
    Report,
    timeout_seconds,
    wait_until_gone,
    wait_until_ready,
)

_CREATION_ATTEMPTS = 5
_PROPAGATION = {"orphan": "Orphan", "background": "Background"}
_WAITING_MAY_BE_SKIPPED = ("DaemonSet", "Deployment", "Job", "Namespace", "Pod", "StatefulSet")


@dataclass(frozen=True)
class Change:
    """What all changes of one object have in common."""

    api: ApiClient
    manager: str
    force_conflicts: bool
    timeout: float  # seconds; 0 for the default
    cancelled: threading.Event
    report: Report

    def forces(self, obj: KubernetesObject) -> bool:
        """Tell whether fields of other managers are overwritten."""
        return self.force_conflicts or annotation(obj, "pulumi.com/patchForce") == "true"

    def wait_until_ready(self, live: KubernetesObject, inputs: KubernetesObject) -> KubernetesObject:
        """Wait for readiness and return the object as then seen. Raises NotReadyError."""
        seconds = timeout_seconds(self.timeout, inputs)
        return wait_until_ready(self.api, live, seconds, self.cancelled, self.report)


def create(change: Change, inputs: KubernetesObject, *, upsert: bool, dry_run: bool) -> KubernetesObject:
    """Create an object and return it as created; an existing one is an error unless `upsert`.

    What it needs may be created by a resource that it does not depend on, so a missing namespace or kind is
    tried again for some seconds. Raises ApiError.
    """
    body = request_body(inputs)

    def attempt() -> KubernetesObject:
        if upsert:
            return change.api.apply(body, change.manager, force=change.forces(inputs), dry_run=dry_run)
        return change.api.create(body, CREATING_MANAGER, dry_run=dry_run)

    if dry_run:
        return attempt()
    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, ApiError) and error.is_missing),
        wait=wait_exponential(multiplier=1),
        stop=stop_after_attempt(_CREATION_ATTEMPTS),
        sleep=sleep_using_event(change.cancelled),
        before_sleep=lambda _: change.api.forget_kinds(),
        reraise=True,
    )
    return retrying(attempt)


def update(
    change: Change, inputs: KubernetesObject, live: KubernetesObject, ignored: list[str], *, dry_run: bool
) -> KubernetesObject:
    """Apply `inputs` to the existing object and return it as changed. Raises ApiError, also for conflicts."""
    body = request_body(inputs)
    if inputs["kind"] == "CustomResourceDefinition":
        version = {"resourceVersion": live["metadata"]["resourceVersion"]}
        body = body | {"metadata": body["metadata"] | version}
        return change.api.replace(body, change.manager, dry_run=dry_run)
    force = change.forces(inputs)
    if dry_run:
        # A real update takes fields over from the manager of creation first, which a dry run cannot.
        force = force or created_by_plugin(live)
    elif (managed_fields := take_over(live, change.manager)) is not None:
        live = change.api.patch_json(live, _replace_managed_fields(live, managed_fields))
    body = leave_ignored_fields(body, live, ignored, change.manager)
    return change.api.apply(body, change.manager, force=force, dry_run=dry_run)


def _replace_managed_fields(live: KubernetesObject, managed_fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    version = live["metadata"]["resourceVersion"]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": managed_fields},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]


def delete(change: Change, live: KubernetesObject, inputs: KubernetesObject) -> None:
    """Delete an object and wait until it is gone; one that is gone already is fine. Raises NotReadyError."""
    policy = annotation(inputs, "pulumi.com/deletionPropagationPolicy").lower()
    try:
        uid = change.api.get(live)["metadata"]["uid"]
        change.api.delete(live, _PROPAGATION.get(policy, "Foreground"))
    except ApiError as error:
        if error.is_missing:
            return
        raise
    skips = annotation(inputs, "pulumi.com/skipAwait") == "true"
    if skips and live["kind"] in _WAITING_MAY_BE_SKIPPED:
        return
    seconds = timeout_seconds(change.timeout, inputs) or DEFAULT_TIMEOUT_SECONDS
    wait_until_gone(change.api, live, uid, seconds, change.cancelled)
