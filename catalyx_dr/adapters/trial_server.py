"""A throw-away PostgreSQL on a restored claim: a pod as the server's StatefulSet would make it, which nobody finds."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from lightkube.resources.apps_v1 import StatefulSet
from lightkube.resources.core_v1 import Pod

from catalyx_dr.adapters.cluster import Cluster, explained, gone_is_fine, if_there, labels
from catalyx_dr.adapters.dry_run import refusal
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.databases import DatabaseServer
from catalyx_dr.model.errors import MissingError, RefusedError, UnreachableError
from catalyx_dr.model.snapshot_set import SnapshotCapture


class UnfitServerError(RefusedError):
    """A StatefulSet of which no throw-away server can be made."""


# What would bind the pod to its StatefulSet's names, or keep it from running beside the present server.
_NOT_OF_A_TRIAL = ("hostname", "subdomain", "nodeName", "priority", "overhead")


@contextmanager
def trial_server(
    cluster: Cluster, validator: str, name: str, snapshot: SnapshotCapture, patience: timedelta
) -> Iterator[Pod]:
    """Run the server on claim `name` until the body ends; its pod has the same name.

    Raises RefusedError when the StatefulSet does not keep all its data on the one claim, UnreachableError when the
    server does not get ready.
    """
    stateful_set = _stateful_set(cluster, snapshot.stateful_set)
    pod: Pod = Pod.from_dict(trial_pod(stateful_set, snapshot.claim, name, validator))  # type: ignore[assignment]
    remove_trial(cluster, name, patience)  # one that a killed run left
    with explained(f"create pod {cluster.namespace}/{name}"):
        cluster.client.create(pod, namespace=cluster.namespace)
    try:
        if not came_true(lambda: _is_ready(_pod(cluster, name)), patience):
            raise UnreachableError(
                f"the server on claim {cluster.namespace}/{name} is not ready: {_state(_pod(cluster, name))}; look at "
                "the pod's events and log while it tries"
            )
        yield _pod(cluster, name)
    finally:
        remove_trial(cluster, name, patience)


def remove_trial(cluster: Cluster, name: str, patience: timedelta) -> None:
    """End the pod, as its server wants to be ended, and wait until it is gone, so that the claim is free."""
    with explained(f"delete pod {cluster.namespace}/{name}"), gone_is_fine():
        cluster.client.delete(Pod, name, namespace=cluster.namespace)
    if not came_true(lambda: _is_gone(cluster, name), patience):
        raise UnreachableError(f"pod {cluster.namespace}/{name} does not end; look at its node")


def refused_trials(cluster: Cluster, validator: str, wanted: Mapping[str, SnapshotCapture]) -> str:
    """Why servers could not be run on claims of these names; nothing when they could. None is run.

    Raises RefusedError when this identity may create no pods.
    """
    for name, snapshot in wanted.items():
        try:
            manifest = trial_pod(_stateful_set(cluster, snapshot.stateful_set), snapshot.claim, name, validator)
        except (MissingError, UnfitServerError) as error:
            return str(error)
        refused = refusal(cluster, Pod.from_dict(manifest))
        if refused:
            return f"the API server would refuse pod {name}: {refused}"
    return ""


def trial_pod(stateful_set: StatefulSet, claim: str, restored: str, validator: str) -> dict[str, Any]:
    """Manifest of the pod: the StatefulSet's own, with the restored claim in place of its own, under other labels."""
    spec = stateful_set.spec
    if spec is None or spec.template.spec is None:
        raise UnfitServerError("the StatefulSet has no pods")
    pod = spec.template.spec.to_dict()
    owner = stateful_set.metadata.name if stateful_set.metadata else ""
    templates = [(one.metadata and one.metadata.name) or "" for one in spec.volumeClaimTemplates or ()]
    own = {name: f"{name}-{owner}-0" for name in templates}
    volumes: list[dict[str, Any]] = [_mounted(name, claim_name) for name, claim_name in own.items()]
    volumes += [volume for volume in pod.get("volumes", ()) if volume["name"] not in own]
    names = [one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one]
    if names != [claim]:
        raise UnfitServerError(
            f"statefulset/{owner} mounts these claims: {', '.join(names) or 'none'}; a snapshot holds the whole server "
            f"only when {claim} is the one claim of its first pod"
        )
    volumes = [_mounted(one["name"], restored) if "persistentVolumeClaim" in one else one for one in volumes]
    affinity = {kind: rule for kind, rule in (pod.get("affinity") or {}).items() if kind != "podAntiAffinity"}
    kept = {key: value for key, value in pod.items() if key not in (*_NOT_OF_A_TRIAL, "affinity", "volumes")}
    return {
        "metadata": {
            "name": restored,
            "labels": labels(validator),
            "annotations": {"sidecar.istio.io/inject": "false"},
        },
        "spec": {**kept, "affinity": affinity, "volumes": volumes, "automountServiceAccountToken": False},
    }


def _mounted(name: str, claim: str) -> dict[str, Any]:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim}}


def server_of(pod: Pod, declared: DatabaseServer) -> DatabaseServer:
    """How to reach the server in the pod; its certificate names the Service, so the name is not compared."""
    containers = pod.spec.containers if pod.spec else []
    ports = [port.containerPort for container in containers for port in container.ports or ()]
    address = pod.status.podIP if pod.status else None
    return declared.model_copy(
        update={
            "host": address,
            "port": declared.port if declared.port in ports or not ports else ports[0],
            "ssl_mode": "verify-ca" if declared.ssl_mode == "verify-full" else declared.ssl_mode,
        }
    )


def _stateful_set(cluster: Cluster, name: str) -> StatefulSet:
    with explained(f"read statefulset/{name} in {cluster.namespace}"):
        return cluster.client.get(StatefulSet, name, namespace=cluster.namespace)


def _pod(cluster: Cluster, name: str) -> Pod:
    with explained(f"read pod {cluster.namespace}/{name}"):
        return cluster.client.get(Pod, name, namespace=cluster.namespace)


def _is_gone(cluster: Cluster, name: str) -> bool:
    found = if_there(
        f"read pod {cluster.namespace}/{name}", lambda: cluster.client.get(Pod, name, namespace=cluster.namespace)
    )
    return found is None


def _is_ready(pod: Pod) -> bool:
    conditions = (pod.status.conditions if pod.status else None) or []
    return any(one.type == "Ready" and one.status == "True" for one in conditions)


def _state(pod: Pod) -> str:
    conditions = (pod.status.conditions if pod.status else None) or []
    told = [f"{one.type}: {one.message}" for one in conditions if one.status != "True" and one.message]
    return "; ".join(told) or (pod.status.phase if pod.status and pod.status.phase else "nothing is known of it")
