"""Stopping and starting the workloads that use a validator's databases, undone even after a crash."""

from collections.abc import Callable
from datetime import timedelta

from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.core_v1 import Pod

from catalyx_dr.adapters.cluster import Cluster, explained
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.errors import CatalyxDrError, MissingError, UnreachableError
from catalyx_dr.model.target import Workload

REPLICAS_ANNOTATION = "catalyx-dr/replicas-before-recovery"
_RESOURCES: dict[str, type[Deployment | StatefulSet]] = {"Deployment": Deployment, "StatefulSet": StatefulSet}


def exists(cluster: Cluster, workload: Workload) -> bool:
    """Tell whether the workload is there."""
    try:
        read(cluster, workload)
    except MissingError:
        return False
    return True


def has_pods(cluster: Cluster, workload: Workload) -> bool:
    """Tell whether the workload is there and has pods."""
    return exists(cluster, workload) and bool(_pods(cluster, workload))


def stop(cluster: Cluster, workload: Workload) -> None:
    """Scale to nothing and remember the replicas on the object; a second call forgets nothing."""
    found = read(cluster, workload)
    remembered = (found.metadata.annotations or {}).get(REPLICAS_ANNOTATION) if found.metadata else None
    replicas = remembered or str(found.spec.replicas if found.spec and found.spec.replicas is not None else 1)
    _patch(cluster, workload, {"metadata": {"annotations": {REPLICAS_ANNOTATION: replicas}}, "spec": {"replicas": 0}})


def start(cluster: Cluster, workload: Workload) -> None:
    """Scale back to the remembered replicas; a workload that was not stopped by us is left alone."""
    found = read(cluster, workload)
    remembered = (found.metadata.annotations or {}).get(REPLICAS_ANNOTATION) if found.metadata else None
    if remembered is None:
        return
    replicas = int(remembered)
    _patch(
        cluster, workload, {"metadata": {"annotations": {REPLICAS_ANNOTATION: None}}, "spec": {"replicas": replicas}}
    )


def wait_until_gone(cluster: Cluster, workload: Workload, patience: timedelta) -> None:
    """Wait until no pod of the workload is left; raises UnreachableError when `patience` runs out.

    CatalyxDrError at once when somebody scales it up again, as an operator does that keeps what it has made.
    """

    def is_gone() -> bool:
        found = read(cluster, workload)
        if found.spec is not None and found.spec.replicas != 0:
            raise CatalyxDrError(
                f"{workload} was scaled up again while it had to stand still; pause what does that (an operator, or a "
                "deployment tool), then run the same request again"
            )
        return not _pods(cluster, workload)

    _wait(is_gone, patience, f"pods of {workload} are still there")


def wait_until_ready(cluster: Cluster, workload: Workload, patience: timedelta) -> None:
    """Wait until every replica is updated and ready; raises UnreachableError when `patience` runs out."""
    _wait(lambda: _is_ready(cluster, workload), patience, f"{workload} is not ready; look at its pods' logs and events")


def _wait(condition: Callable[[], bool], patience: timedelta, problem: str) -> None:
    if not came_true(condition, patience):
        raise UnreachableError(f"after {int(patience.total_seconds())} s {problem}")


def _is_ready(cluster: Cluster, workload: Workload) -> bool:
    found = read(cluster, workload)
    if found.status is None or found.spec is None or found.metadata is None:
        return False
    wanted = found.spec.replicas if found.spec.replicas is not None else 1
    seen = (found.status.observedGeneration or 0) >= (found.metadata.generation or 0)
    return seen and (found.status.updatedReplicas or 0) == wanted == (found.status.readyReplicas or 0)


def _pods(cluster: Cluster, workload: Workload) -> list[Pod]:
    found = read(cluster, workload)
    selector = found.spec.selector.matchLabels if found.spec else None
    with explained(f"list pods of {workload} in {cluster.namespace}"):
        return list(cluster.client.list(Pod, namespace=cluster.namespace, labels=dict(selector or {})))


def read(cluster: Cluster, workload: Workload) -> Deployment | StatefulSet:
    """The workload as it is; raises MissingError."""
    with explained(f"read {workload} in {cluster.namespace}"):
        return cluster.client.get(_RESOURCES[workload.kind], workload.name, namespace=cluster.namespace)


def _patch(cluster: Cluster, workload: Workload, patch: dict[str, object]) -> None:
    with explained(f"change {workload} in {cluster.namespace}"):
        cluster.client.patch(_RESOURCES[workload.kind], workload.name, patch, namespace=cluster.namespace)
