"""Jobs that a person starts for a protected validator, with image and specification as its stack put them there."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lightkube.resources.batch_v1 import CronJob

from catalyx_dr.adapters.agent_pod import AgentPod
from catalyx_dr.adapters.cluster import Cluster, explained, labels
from catalyx_dr.adapters.declared_validators import specifications
from catalyx_dr.model.environment_spec import AgentImage
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.model.validator_spec import ValidatorSpec


@dataclass(frozen=True)
class Installed:
    """A validator as its stack protects it."""

    spec: ValidatorSpec
    agent: AgentImage

    def job(
        self, name: str, arguments: tuple[str, ...], secrets: tuple[SecretKey, ...], deadline: timedelta
    ) -> dict[str, Any]:
        """Manifest of a Job with the rights of a recovery."""
        backup = self.spec.backup
        pod = AgentPod(
            spec=self.spec,
            agent=self.agent,
            arguments=arguments,
            service_account=ObjectNames.of(self.spec).recovery,
            secrets=secrets,
            backup_volume=backup is not None and backup.volume is not None,
            scratch_limit=backup.scratch if backup else None,
        )
        return pod.job_manifest(name, deadline)


def installed(cluster: Cluster, validator: str | None) -> Installed:
    """Read what the stack has put into the namespace; raises RefusedError unless `validator` names one, or is the only.

    The image is that of its scheduled jobs.
    """
    found = specifications(cluster, validator)
    if len(found) != 1:
        raise RefusedError(
            f"--validator (not given): namespace {cluster.namespace} has these protected validators: "
            f"{', '.join(spec.name for spec in found) or 'none'}; name one, or declare one and run pulumi up"
        )
    return Installed(found[0], _agent(cluster, found[0].name))


def _agent(cluster: Cluster, validator: str) -> AgentImage:
    with explained(f"list CronJobs in {cluster.namespace}"):
        found = list(cluster.client.list(CronJob, namespace=cluster.namespace, labels={**labels(validator)}))
    for cron_job in found:
        pod = cron_job.spec.jobTemplate.spec.template.spec if cron_job.spec and cron_job.spec.jobTemplate.spec else None
        if pod is not None and pod.containers[0].image:
            container = pod.containers[0]
            return AgentImage.model_validate(
                {"image": container.image, "pull_policy": container.imagePullPolicy or "IfNotPresent"}
            )
    raise RefusedError(
        f"validator {validator} has no CronJob in namespace {cluster.namespace} that tells the image of the agent; "
        "declare backup or identityDump in the stack and run pulumi up"
    )
