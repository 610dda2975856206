"""Kubernetes Events: what `kubectl describe cronjob` shows, and what event exporters pass on."""

from datetime import UTC, datetime

from lightkube.core.exceptions import ApiError
from lightkube.models.core_v1 import EventSource, ObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import CronJob
from lightkube.resources.core_v1 import Event

from catalyx_dr.adapters.cluster import FIELD_MANAGER, Cluster, explained

# The API server refuses longer ones.
_LONGEST_MESSAGE = 1024


def warn_about(cluster: Cluster, cron_job: str, reason: str, message: str) -> None:
    """Write a Warning on a CronJob; raises RefusedError or UnreachableError."""
    now = datetime.now(UTC)
    event = Event(
        metadata=ObjectMeta(generateName=f"{cron_job}.", namespace=cluster.namespace),
        involvedObject=_reference(cluster, cron_job),
        type="Warning",
        reason=reason,
        message=message if len(message) <= _LONGEST_MESSAGE else f"{message[: _LONGEST_MESSAGE - 3]}...",
        count=1,
        firstTimestamp=now,
        lastTimestamp=now,
        source=EventSource(component=FIELD_MANAGER),
        reportingComponent=FIELD_MANAGER,
    )
    with explained(f"write an Event on CronJob {cluster.namespace}/{cron_job}"):
        cluster.client.create(event)


def _reference(cluster: Cluster, cron_job: str) -> ObjectReference:
    """The CronJob; `kubectl describe` finds its Events by the uid. One that was deleted is named all the same."""
    uid = None
    with explained(f"read CronJob {cluster.namespace}/{cron_job}"):
        try:
            found = cluster.client.get(CronJob, cron_job, namespace=cluster.namespace)
            uid = found.metadata.uid if found.metadata else None
        except ApiError as error:
            if error.status.code not in (403, 404):
                raise
    return ObjectReference(apiVersion="batch/v1", kind="CronJob", name=cron_job, namespace=cluster.namespace, uid=uid)
