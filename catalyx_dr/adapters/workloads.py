"""Stopping and starting the workloads that use a validator's databases, undone even after a crash."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from lightkube.models.core_v1 import ContainerStatus
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.core_v1 import Pod

from catalyx_dr.adapters.cluster import Cluster, explained
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.errors import CatalyxDrError, MissingError, UnprovenError, UnreachableError
from catalyx_dr.model.target import Workload
from catalyx_dr.rules.crash_loop import HOPELESS_RESTARTS

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


def wait_until_ready(cluster: Cluster, started: Sequence[Workload], patience: timedelta) -> None:
    """Wait until every replica of all is updated and ready; raises UnreachableError when `patience` runs out.

    UnprovenError at once when one of them only starts and ends, again and again: the others may wait for it.
    """
    waited_for: list[Workload] = []

    def are_ready() -> bool:
        waited_for[:] = [one for one in started if not _is_ready(cluster, one)]
        check_starts(cluster, waited_for)
        return not waited_for

    if not came_true(are_ready, patience):
        names = ", ".join(map(str, waited_for))
        raise UnreachableError(
            f"after {int(patience.total_seconds())} s not ready: {names}; look at their pods' logs and events"
        )


def check_starts(cluster: Cluster, started: Sequence[Workload]) -> None:
    """Raise UnprovenError, with its reason, for a container that only starts and ends."""
    for workload, pod, container in _started(cluster, started):
        if container.restartCount >= HOPELESS_RESTARTS and not container.ready:
            raise UnprovenError(f"{workload} never became ready: {_crash(cluster, pod, container)}")


def restarts(cluster: Cluster, started: Sequence[Workload]) -> int:
    """How often containers of the workloads' present pods were started again."""
    return sum(container.restartCount for _, _, container in _started(cluster, started))


def _started(cluster: Cluster, started: Sequence[Workload]) -> Iterator[tuple[Workload, Pod, ContainerStatus]]:
    """Every container of the present pods; a workload that is not there has none."""
    for workload in started:
        for pod in _pods(cluster, workload) if exists(cluster, workload) else ():
            for container in _containers(pod):
                yield workload, pod, container


def _containers(pod: Pod) -> list[ContainerStatus]:
    status = pod.status
    return [*(status.initContainerStatuses or ()), *(status.containerStatuses or ())] if status else []


def _crash(cluster: Cluster, pod: Pod, container: ContainerStatus) -> str:
    name = (pod.metadata.name if pod.metadata else None) or ""
    waiting = container.state.waiting if container.state else None
    ended = next((one.terminated for one in (container.state, container.lastState) if one and one.terminated), None)
    facts = (
        f"container {container.name} of pod {name} was started {container.restartCount} times again",
        *((waiting.reason,) if waiting and waiting.reason else ()),
        *((f"its last run ended with {ended.reason or 'no reason'}, exit code {ended.exitCode}",) if ended else ()),
    )
    # Not read here: what is told is kept in records and in the state, and nobody knows what others write to their logs.
    return f"{', '.join(facts)}; read kubectl logs -n {cluster.namespace} {name} -c {container.name} --previous"


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
