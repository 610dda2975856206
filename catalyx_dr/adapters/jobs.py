"""Jobs in the cluster: created from a manifest or a CronJob, followed to their end."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

import httpx2
from lightkube import codecs
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.batch_v1 import CronJob, Job
from lightkube.resources.core_v1 import Pod
from lightkube.types import CascadeType

from catalyx_dr.adapters.api_silence import bear_silence
from catalyx_dr.adapters.cluster import FIELD_MANAGER, MANAGED_BY, Cluster, explained, gone_is_fine, if_there
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.errors import CatalyxDrError, UnreachableError

# Why a container waits that will never start by itself.
_HOPELESS_WAITS = ("ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError")


class CannotStartError(CatalyxDrError):
    """The Job's container will never start by itself; nothing of it has run."""


class JobState(StrEnum):
    """Where a Job stands."""

    ABSENT = "absent"
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


def submit(cluster: Cluster, manifest: Mapping[str, Any]) -> bool:
    """Create the Job; False when one of this name is there already, which the caller adopts."""
    job = codecs.from_dict(dict(manifest))
    name = manifest["metadata"]["name"]
    with explained(f"create Job {cluster.namespace}/{name}"):
        try:
            cluster.client.create(job)
        except ApiError as error:
            if error.status.code == 409:
                return False
            raise
    return True


def submit_from_cron_job(cluster: Cluster, cron_job_name: str, job_name: str) -> None:
    """Create a Job from a CronJob's template now, as its schedule would; raises MissingError when there is none."""
    with explained(f"create a Job from CronJob {cluster.namespace}/{cron_job_name}"):
        cron_job = cluster.client.get(CronJob, cron_job_name, namespace=cluster.namespace)
        template = cron_job.spec.jobTemplate
        owner = OwnerReference(
            apiVersion="batch/v1",
            kind="CronJob",
            name=cron_job_name,
            uid=cron_job.metadata.uid,  # type: ignore[union-attr, arg-type]
        )
        given = template.metadata or ObjectMeta()
        metadata = ObjectMeta(
            name=job_name,
            namespace=cluster.namespace,
            labels=given.labels,
            annotations={**(given.annotations or {}), "cronjob.kubernetes.io/instantiate": "manual"},
            ownerReferences=[owner],
        )
        cluster.client.create(Job(metadata=metadata, spec=template.spec))


def cron_jobs(cluster: Cluster) -> list[str]:
    """Names of our CronJobs in the namespace."""
    with explained(f"list CronJobs in {cluster.namespace}"):
        found = cluster.client.list(CronJob, namespace=cluster.namespace, labels={MANAGED_BY: FIELD_MANAGER})
        return sorted(job.metadata.name for job in found if job.metadata and job.metadata.name)


def as_owner(cluster: Cluster, name: str) -> OwnerReference:
    """The Job as the owner of what is to go with it."""
    with explained(f"read Job {cluster.namespace}/{name}"):
        uid = cluster.client.get(Job, name, namespace=cluster.namespace).metadata.uid  # type: ignore[union-attr]
    return OwnerReference(apiVersion="batch/v1", kind="Job", name=name, uid=str(uid))


def state(cluster: Cluster, name: str) -> JobState:
    """Where the Job stands now."""
    job = if_there(
        f"read Job {cluster.namespace}/{name}", lambda: cluster.client.get(Job, name, namespace=cluster.namespace)
    )
    if job is None:
        return JobState.ABSENT
    conditions = (job.status.conditions if job.status else None) or []
    true = {condition.type for condition in conditions if condition.status == "True"}
    if "Complete" in true:
        return JobState.SUCCEEDED
    return JobState.FAILED if "Failed" in true else JobState.ACTIVE


def remove(cluster: Cluster, name: str, patience: timedelta = timedelta(minutes=2)) -> None:
    """Delete the Job with its pods and wait until it is gone."""
    with explained(f"delete Job {cluster.namespace}/{name}"), gone_is_fine():
        cluster.client.delete(Job, name, namespace=cluster.namespace, cascade=CascadeType.FOREGROUND)
    _until(lambda: state(cluster, name) is JobState.ABSENT, patience, f"Job {name} could not be removed")


def follow(cluster: Cluster, name: str, on_line: Callable[[str], None], patience: timedelta | None = None) -> JobState:
    """Hand each log line of the Job to `on_line` until it has ended.

    Reads the log again and again instead of keeping a stream open, so that a restart of the API server does no harm.
    Raises CannotStartError when it never will, UnreachableError after `patience` or when the API stays silent.
    """
    shown, now = 0, JobState.ACTIVE

    def ended() -> bool:
        nonlocal shown, now
        now = state(cluster, name)
        lines = log_lines(cluster, name)
        for line in lines[shown:]:
            on_line(line)
        shown = max(shown, len(lines))
        hopeless = None if now is not JobState.ACTIVE else _hopeless_wait(cluster, name)
        if hopeless:
            raise CannotStartError(f"Job {cluster.namespace}/{name} cannot start: {hopeless}")
        return now is not JobState.ACTIVE

    _until(lambda: bear_silence(ended, on_line), patience, f"Job {cluster.namespace}/{name} has not ended")
    return now


def log_lines(cluster: Cluster, name: str) -> list[str]:
    """Log of the Job's newest pod so far; empty while there is none."""
    pods = sorted(_pods(cluster, name), key=_created)
    if not pods or pods[-1].metadata is None or pods[-1].metadata.name is None:
        return []
    try:
        return list(cluster.client.log(pods[-1].metadata.name, namespace=cluster.namespace, newlines=False))
    except (ApiError, httpx2.HTTPError):
        # The container has not started yet, or its node does not answer for a moment.
        return []


def exit_code(cluster: Cluster, name: str) -> int | None:
    """Exit code of the Job's newest container that has ended; None while none has."""
    for pod in sorted(_pods(cluster, name), key=_created, reverse=True):
        for container in (pod.status.containerStatuses if pod.status else None) or []:
            if container.state and container.state.terminated:
                return container.state.terminated.exitCode
    return None


def _created(pod: Pod) -> str:
    return str(pod.metadata.creationTimestamp if pod.metadata else "")


def _pods(cluster: Cluster, name: str) -> list[Pod]:
    with explained(f"list pods of Job {cluster.namespace}/{name}"):
        return list(cluster.client.list(Pod, namespace=cluster.namespace, labels={"job-name": name}))


def _hopeless_wait(cluster: Cluster, name: str) -> str | None:
    for pod in _pods(cluster, name):
        status = pod.status
        for container in [*(status.initContainerStatuses or []), *(status.containerStatuses or [])] if status else []:
            waiting = container.state.waiting if container.state else None
            if waiting is not None and waiting.reason in _HOPELESS_WAITS:
                return f"{waiting.reason}: {waiting.message or 'no message'}"
    return None


def _until(condition: Callable[[], bool], patience: timedelta | None, problem: str) -> None:
    if not came_true(condition, patience):
        raise UnreachableError(f"{problem} after {patience}")
