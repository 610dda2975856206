"""When an object of a kind counts as ready after it was created or changed, following the official plugin."""

import threading
import time
from collections.abc import Callable
from typing import Any

from dev.engine.kubernetes_plugin.api_client import ApiClient, ApiError
from dev.engine.kubernetes_plugin.object_identity import annotation, kind_of_object
from dev.engine.kubernetes_plugin.property_values import KubernetesObject

DEFAULT_TIMEOUT_SECONDS = 600.0
_CLAIM_TIMEOUT_SECONDS = 300.0
_FIRST_POLL_SECONDS = 0.1
_LONGEST_POLL_SECONDS = 1.0

Report = Callable[[str], None]
# Returns what is still waited for, or None when the object is ready; raises NotReadyError when it never will be.
Check = Callable[[ApiClient, KubernetesObject], str | None]


class NotReadyError(Exception):
    """An object exists but did not become ready; it carries the object as last seen."""

    def __init__(self, reason: str, live: KubernetesObject) -> None:
        super().__init__(reason)
        self.live = live


def timeout_seconds(requested: float, obj: KubernetesObject) -> float:
    """Return how long to wait: the resource option, else annotation pulumi.com/timeoutSeconds, else 10 minutes."""
    annotated = annotation(obj, "pulumi.com/timeoutSeconds")
    return requested or (float(annotated) if annotated.isdecimal() else DEFAULT_TIMEOUT_SECONDS)


def wait_until_ready(
    api: ApiClient, live: KubernetesObject, seconds: float, cancelled: threading.Event, report: Report
) -> KubernetesObject:
    """Wait until `live` is ready and return it as then seen. Raises NotReadyError.

    Kinds without a rule are ready at once, and so is every object with annotation pulumi.com/skipAwait.
    """
    kind = kind_of_object(live)
    check = _CHECKS.get((kind.group, kind.kind))
    if check is None or annotation(live, "pulumi.com/skipAwait") == "true":
        return live
    if check is _claim:
        seconds = min(seconds, _CLAIM_TIMEOUT_SECONDS)
    polls = _Polls(seconds, cancelled)
    reported = None
    while waiting_for := check(api, live):
        if waiting_for != reported:
            report(waiting_for)
            reported = waiting_for
        if stopped := polls.pause():
            raise NotReadyError(f"{stopped}: {waiting_for}", live)
        live = api.get(live)
    if reported:
        report("")
    return live


def wait_until_gone(
    api: ApiClient, obj: KubernetesObject, uid: str, seconds: float, cancelled: threading.Event
) -> None:
    """Wait until the object with this `uid` exists no more. Raises NotReadyError."""
    polls = _Polls(seconds, cancelled)
    while True:
        try:
            live = api.get(obj)
        except ApiError as error:
            if error.is_missing:
                return
            raise
        if live["metadata"]["uid"] != uid:
            return
        if stopped := polls.pause():
            finalizers = ", ".join(live["metadata"].get("finalizers", [])) or "none"
            raise NotReadyError(f"{stopped}: waiting for deletion; finalizers left: {finalizers}", live)


class _Polls:
    """Pauses between two looks, growing, until a deadline or cancellation."""

    def __init__(self, seconds: float, cancelled: threading.Event) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._cancelled = cancelled
        self._pause = _FIRST_POLL_SECONDS

    def pause(self) -> str | None:
        """Pause and return None, or return why the waiting is over."""
        if time.monotonic() >= self._deadline:
            return f"timed out after {self._seconds:g} s"
        if self._cancelled.wait(self._pause):
            return "cancelled"
        self._pause = min(self._pause * 1.5, _LONGEST_POLL_SECONDS)
        return None


def job_is_complete(live: KubernetesObject) -> bool:
    """Tell whether a Job has succeeded."""
    return _condition(live, "Complete").get("status") == "True"


def _condition(live: KubernetesObject, name: str) -> dict[str, Any]:
    conditions = live.get("status", {}).get("conditions") or []
    return next((entry for entry in conditions if entry["type"] == name), {})


def _is_observed(live: KubernetesObject) -> bool:
    return bool(live.get("status", {}).get("observedGeneration", 0) >= live["metadata"]["generation"])


def _deployment(_: ApiClient, live: KubernetesObject) -> str | None:
    wanted, status = live["spec"]["replicas"], live.get("status", {})
    progress = _condition(live, "Progressing")
    if _is_observed(live) and progress.get("reason") == "ProgressDeadlineExceeded":
        raise NotReadyError(progress.get("message", "the rollout makes no progress"), live)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if _is_observed(live) and updated == available == status.get("replicas", 0) == wanted:
        return None
    return f"waiting for replicas: {available} available and {updated} updated of {wanted}"


def _stateful_set(_: ApiClient, live: KubernetesObject) -> str | None:
    wanted, status = live["spec"]["replicas"], live.get("status", {})
    ready = status.get("readyReplicas", 0)
    rolled_out = (
        live["spec"].get("updateStrategy", {}).get("type") == "OnDelete"
        or wanted == 0
        or status.get("currentRevision") == status.get("updateRevision")
    )
    if _is_observed(live) and rolled_out and ready == status.get("replicas", 0) == wanted:
        return None
    return f"waiting for replicas: {ready} ready of {wanted}"


def _daemon_set(_: ApiClient, live: KubernetesObject) -> str | None:
    status = live.get("status", {})
    wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    if _is_observed(live) and ready == wanted == status.get("updatedNumberScheduled", 0):
        return None
    return f"waiting for pods: {ready} ready of {wanted}"


def _job(_: ApiClient, live: KubernetesObject) -> str | None:
    failed = _condition(live, "Failed")
    if failed.get("status") == "True":
        raise NotReadyError(f"the Job failed [{failed.get('reason')}]: {failed.get('message')}", live)
    if job_is_complete(live):
        return None
    status = live.get("status", {})
    return f"waiting for the Job: {status.get('active', 0)} active, {status.get('failed', 0)} failed"


def _pod(_: ApiClient, live: KubernetesObject) -> str | None:
    phase = live.get("status", {}).get("phase")
    if phase == "Failed":
        raise NotReadyError("the Pod failed", live)
    if phase == "Succeeded" or _condition(live, "Ready").get("status") == "True":
        return None
    return f"waiting for the Pod: {phase}"


def _claim(api: ApiClient, live: KubernetesObject) -> str | None:
    phase = live.get("status", {}).get("phase")
    if phase == "Bound" or (phase == "Pending" and _binds_at_first_consumer(api, live)):
        return None
    return f"waiting for the claim to be bound: {phase}"


def _binds_at_first_consumer(api: ApiClient, claim: KubernetesObject) -> bool:
    name = claim["spec"].get("storageClassName")
    if not name:
        return False
    storage_class = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    try:
        return api.get(storage_class).get("volumeBindingMode") == "WaitForFirstConsumer"
    except ApiError:
        return False


def _volume(_: ApiClient, live: KubernetesObject) -> str | None:
    phase = live.get("status", {}).get("phase")
    return None if phase in ("Available", "Bound") else f"waiting for the volume: {phase}"


def _service(api: ApiClient, live: KubernetesObject) -> str | None:
    spec = live["spec"]
    if spec.get("type") == "LoadBalancer" and not live.get("status", {}).get("loadBalancer", {}).get("ingress"):
        return "waiting for the load balancer's address"
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector"):
        return None
    try:
        endpoints = api.get({"apiVersion": "v1", "kind": "Endpoints", "metadata": live["metadata"]})
    except ApiError as error:
        if error.is_missing:
            return "waiting for the Service's endpoints"
        raise
    pending = any(subset.get("notReadyAddresses") for subset in endpoints.get("subsets") or [])
    return "waiting for the Service's Pods to be ready" if pending else None


_CHECKS: dict[tuple[str, str], Check] = {
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "Job"): _job,
    ("", "PersistentVolume"): _volume,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
}
