"""Jobs that a person starts for a protected validator, with image and specification as its stack put them there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lightkube.resources.batch_v1 import CronJob
from pydantic import ValidationError

from catalyx_dr.adapters.agent_pod import SPEC_FILE, AgentPod
from catalyx_dr.adapters.cluster import FIELD_MANAGER, MANAGED_BY, VALIDATOR_LABEL, Cluster, explained
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
    cron_jobs = _cron_jobs(cluster)
    names = sorted(cron_jobs)
    if (validator is None and len(names) != 1) or (validator is not None and validator not in names):
        raise RefusedError(
            f"--validator {validator or '(not given)'}: namespace {cluster.namespace} has these protected validators: "
            f"{', '.join(names) or 'none'}; name one of them, or declare it in the stack and run pulumi up"
        )
    name = validator or names[0]
    return Installed(_spec(cluster, name), cron_jobs[name])


def _cron_jobs(cluster: Cluster) -> Mapping[str, AgentImage]:
    with explained(f"list CronJobs in {cluster.namespace}"):
        found = list(cluster.client.list(CronJob, namespace=cluster.namespace, labels={MANAGED_BY: FIELD_MANAGER}))
    images = {}
    for cron_job in found:
        pod = cron_job.spec.jobTemplate.spec.template.spec if cron_job.spec and cron_job.spec.jobTemplate.spec else None
        validator = (cron_job.metadata.labels or {}).get(VALIDATOR_LABEL) if cron_job.metadata else None
        if pod is None or validator is None or not pod.containers[0].image:
            continue
        container = pod.containers[0]
        images[validator] = AgentImage.model_validate(
            {"image": container.image, "pull_policy": container.imagePullPolicy or "IfNotPresent"}
        )
    return images


def _spec(cluster: Cluster, validator: str) -> ValidatorSpec:
    name = ObjectNames(validator, cluster.namespace).spec_config_map
    data = cluster.config_map(name)
    try:
        return ValidatorSpec.model_validate_json((data or {}).get(SPEC_FILE, ""))
    except ValidationError:
        raise RefusedError(
            f"ConfigMap {cluster.namespace}/{name} holds no valid {SPEC_FILE}; run pulumi up with this version"
        ) from None
