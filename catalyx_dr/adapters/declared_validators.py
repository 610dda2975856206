"""The validators that a stack declared in a namespace: their specifications and CronJobs, as the cluster has them."""

from datetime import UTC, datetime

from lightkube.core.exceptions import ApiError
from lightkube.resources.batch_v1 import CronJob
from lightkube.resources.core_v1 import ConfigMap, Namespace
from pydantic import ValidationError

from catalyx_dr.adapters.cluster import FIELD_MANAGER, MANAGED_BY, Cluster, explained
from catalyx_dr.model.errors import MissingError, SpecError
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.schedule_facts import ScheduleFacts

_SPEC_KEY = "validator.json"
_OURS = {MANAGED_BY: FIELD_MANAGER}
# What the controller takes when a CronJob names none; its machines keep UTC.
_NO_ZONE = "Etc/UTC"


def specifications(cluster: Cluster, validator: str | None = None) -> list[ValidatorSpec]:
    """Specifications in the namespace, by name; raises SpecError when one was written by another version.

    Raises MissingError when there is no such namespace, and when `validator` is given and not declared in it.
    """
    found = [_read(cluster, data[_SPEC_KEY]) for data in cluster.config_maps(_OURS).values() if _SPEC_KEY in data]
    if not found:
        check_namespace(cluster)
    wanted = [spec for spec in found if validator in (None, spec.name)]
    if validator is not None and not wanted:
        names = ", ".join(sorted(spec.name for spec in found)) or "none"
        raise MissingError(
            f"--validator {validator}: namespace {cluster.namespace} has the validators: {names}; name one of them, or "
            "declare it in the stack and run pulumi up"
        )
    return sorted(wanted, key=lambda spec: spec.name)


def schedules(cluster: Cluster) -> list[ScheduleFacts]:
    """Our CronJobs in the namespace."""
    with explained(f"list CronJobs in {cluster.namespace}"):
        found = list(cluster.client.list(CronJob, namespace=cluster.namespace, labels=dict(_OURS)))
    return sorted(map(_facts, found), key=lambda schedule: schedule.name)


def check_namespace(cluster: Cluster) -> None:
    """Raise MissingError when the namespace does not exist; passes when the identity in use may not look."""
    try:
        cluster.client.get(Namespace, cluster.namespace)
    except ApiError as error:
        if error.status.code != 404:
            return
        others = ", ".join(_protected_namespaces(cluster)) or "none"
        raise MissingError(
            f"namespace {cluster.namespace} does not exist in this cluster; namespaces with protected validators: "
            f"{others}; check --namespace, --context and KUBECONFIG"
        ) from None


def _protected_namespaces(cluster: Cluster) -> list[str]:
    try:
        found = cluster.client.list(ConfigMap, namespace="*", labels=dict(_OURS))
        return sorted({one.metadata.namespace or "" for one in found if one.metadata and _SPEC_KEY in (one.data or {})})
    except ApiError:
        return []


def _read(cluster: Cluster, text: str) -> ValidatorSpec:
    try:
        return ValidatorSpec.model_validate_json(text)
    except ValidationError as error:
        raise SpecError(
            f"a validator's specification in {cluster.namespace} was written by another version of catalyx-dr "
            f"({error.error_count()} faults); use that version, or run pulumi up with this one"
        ) from None


def _facts(cron_job: CronJob) -> ScheduleFacts:
    metadata, spec, status = cron_job.metadata, cron_job.spec, cron_job.status
    return ScheduleFacts(
        name=(metadata.name if metadata else None) or "",
        cron=spec.schedule if spec else "",
        time_zone=(spec.timeZone if spec else None) or _NO_ZONE,
        suspended=bool(spec and spec.suspend),
        created=(metadata.creationTimestamp if metadata else None) or datetime.now(UTC),
        last_scheduled=status.lastScheduleTime if status else None,
    )
