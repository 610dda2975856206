"""CronJobs that run the agent: time zone given, one run at a time, every run ended by its deadline."""

from typing import Any, cast

import pulumi
from pulumi_kubernetes.batch.v1 import CronJob, CronJobSpecArgs, JobTemplateSpecArgs

from catalyx_dr.adapters.agent_pod import AgentPod
from catalyx_dr.adapters.cluster import labels
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.run_schedule import CaptureSchedule, RunSchedule
from components.object_metadata import metadata_of

RECOVERY_POINT = "catalyx-dr/recovery-point"
# A controller that was down starts what it missed in the last hour, at most 60 runs; at 100 it would give up.
_STARTING_DEADLINE_SECONDS = 3600
_SUCCESSFUL_KEPT = 3
_FAILED_KEPT = 5


def scheduled_job(
    name: str, schedule: RunSchedule, pod: AgentPod, parent: pulumi.Resource, depends_on: list[pulumi.Resource]
) -> CronJob:
    """Declare the CronJob `name`; a wrong image or permission is found by its first run, not by `pulumi up`."""
    point = schedule.recovery_point if isinstance(schedule, CaptureSchedule) else None
    template: dict[str, Any] = {
        "metadata": {"labels": labels(pod.spec.name)},
        "spec": pod.scheduled_job_spec(schedule.deadline),
    }
    annotations = {RECOVERY_POINT: format_duration(point)} if point else None
    return CronJob(
        name,
        metadata=metadata_of(ObjectNames.of(pod.spec), name, annotations),
        spec=CronJobSpecArgs(
            schedule=schedule.cron,
            time_zone=schedule.time_zone,
            suspend=schedule.suspend,
            concurrency_policy="Forbid",
            starting_deadline_seconds=_STARTING_DEADLINE_SECONDS,
            successful_jobs_history_limit=_SUCCESSFUL_KEPT,
            failed_jobs_history_limit=_FAILED_KEPT,
            # The same template as manifests of Jobs have, in the API's own words.
            job_template=cast("JobTemplateSpecArgs", template),
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=depends_on),
    )
