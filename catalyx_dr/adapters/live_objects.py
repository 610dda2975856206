"""Collects from the API of the cluster the facts on which diagnoses are made; changes nothing.

What the identity in use may not read is left out and named, so that a diagnosis never claims more than was seen.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from lightkube.core.exceptions import ApiError
from lightkube.core.resource import NamespacedResource
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Event, PersistentVolumeClaim, Pod, Secret
from lightkube.resources.storage_v1 import StorageClass

from catalyx_dr.adapters import workloads
from catalyx_dr.adapters.cluster import FIELD_MANAGER, MANAGED_BY, VALIDATOR_LABEL, Cluster, explained
from catalyx_dr.adapters.declared_validators import schedules
from catalyx_dr.adapters.mounted_secrets import for_look
from catalyx_dr.adapters.records import ClusterRecords, LegibleRecords
from catalyx_dr.adapters.workloads import REPLICAS_ANNOTATION
from catalyx_dr.model.errors import MissingError, RefusedError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.target import SpliceHelmTarget, Workload
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.diagnosis.facts import (
    ClaimFacts,
    ClusterFacts,
    EventFacts,
    JobEnd,
    JobFacts,
    PodFacts,
    SecretFacts,
    WorkloadFacts,
)
from catalyx_dr.rules.splice_chart import IDENTIFIER_VARIABLE

_Resource = TypeVar("_Resource", bound=NamespacedResource)
_Found = TypeVar("_Found")
_DUMPS_LOOKED_AT = 10
_WAITS_FOR_POD = "WaitForFirstConsumer"


def collect(cluster: Cluster, spec: ValidatorSpec) -> ClusterFacts:
    """Facts of one validator; raises UnreachableError when the API does not answer."""
    looks = _Looks(cluster, spec)
    found = looks.allowed("records", lambda: ClusterRecords(cluster).legible(spec.name), LegibleRecords([]))
    return ClusterFacts(
        spec=spec,
        now=datetime.now(UTC),
        schedules=looks.allowed("CronJobs", lambda: schedules(cluster), []),
        jobs=[_job(job) for job in looks.listed(Job, "Jobs", looks.ours)],
        pods=[_pod(pod) for pod in looks.listed(Pod, "pods", looks.ours)],
        events=[_event(event) for event in looks.listed(Event, "events") if event.type == "Warning"],
        claim=looks.allowed("the backup volume's claim", looks.claim, None),
        secrets=looks.secrets(found.records),
        needed_secrets=for_look(spec),
        workloads=[one for one in map(looks.workload, _workloads(spec)) if one is not None],
        records=found.records,
        damaged_records=found.faults,
        not_looked_at=looks.skipped,
    )


class _Looks:
    """One collection: what it may not look at is remembered."""

    def __init__(self, cluster: Cluster, spec: ValidatorSpec) -> None:
        self._cluster = cluster
        self._spec = spec
        self.skipped: list[str] = []
        self.ours = {MANAGED_BY: FIELD_MANAGER, VALIDATOR_LABEL: spec.name}

    def allowed(self, what: str, look: Callable[[], _Found], otherwise: _Found) -> _Found:
        try:
            return look()
        except MissingError:
            return otherwise
        except RefusedError as error:
            self.skipped.append(f"{what}: {error}")
            return otherwise

    def listed(self, kind: type[_Resource], what: str, selector: dict[str, str] | None = None) -> list[_Resource]:
        def look() -> list[_Resource]:
            with explained(f"list {what} in {self._cluster.namespace}"):
                found = self._cluster.client.list(kind, namespace=self._cluster.namespace, labels=dict(selector or {}))
                return list(found)

        return self.allowed(what, look, [])

    def claim(self) -> ClaimFacts | None:
        name = ObjectNames.of(self._spec).volume_claim
        found = self._get(PersistentVolumeClaim, name)
        asked = found.spec.resources.requests if found.spec and found.spec.resources else None
        class_name = (found.spec.storageClassName if found.spec else None) or ""
        grows, mode = self._storage_class(class_name)
        capacity = (found.status.capacity if found.status else None) or {}
        conditions = (found.status.conditions if found.status else None) or []
        return ClaimFacts(
            name=name,
            phase=(found.status.phase if found.status else None) or "Pending",
            requested=Quantity.parse((asked or {}).get("storage", "0")),
            capacity=Quantity.parse(capacity["storage"]) if "storage" in capacity else None,
            storage_class=class_name,
            grows=grows,
            waits_for_pod=mode == _WAITS_FOR_POD,
            deleting=found.metadata is not None and found.metadata.deletionTimestamp is not None,
            resizing="; ".join(f"{one.type} {one.message or ''}".strip() for one in conditions if one.status == "True"),
        )

    def secrets(self, records: Iterable[Record]) -> list[SecretFacts]:
        names = ObjectNames.of(self._spec)
        dumps = [
            names.identity_dump_secret(record.identifier)
            for record in records
            if record.kind is RecordKind.IDENTITY_DUMP and record.status is RecordStatus.COMPLETED
        ]
        wanted = dict.fromkeys([*(one.name for one in for_look(self._spec)), *dumps[:_DUMPS_LOOKED_AT]])
        return self.allowed("Secrets", lambda: [self._secret(name) for name in wanted], [])

    def workload(self, workload: Workload) -> WorkloadFacts | None:
        def look() -> WorkloadFacts | None:
            try:
                found = workloads.read(self._cluster, workload).to_dict()
            except MissingError:
                return WorkloadFacts(str(workload), present=False)
            selector = found["spec"]["selector"].get("matchLabels", {})
            return _workload(workload, found, self.listed(Pod, f"pods of {workload}", selector))

        return self.allowed(str(workload), look, None)

    def _secret(self, name: str) -> SecretFacts:
        try:
            data = self._get(Secret, name).data or {}
        except MissingError:
            return SecretFacts(name, None)
        return SecretFacts(name, frozenset(key for key, value in data.items() if value))

    def _storage_class(self, name: str) -> tuple[bool | None, str]:
        with explained(f"read StorageClass {name}"):
            try:
                found = self._cluster.client.get(StorageClass, name)
            except ApiError as error:
                if error.status.code == 404:
                    return None, ""
                # Classes belong to the whole cluster; who may not read them is told nothing about growth.
                return True, ""
        return bool(found.allowVolumeExpansion), found.volumeBindingMode or ""

    def _get(self, kind: type[_Resource], name: str) -> _Resource:
        with explained(f"read {kind.__name__} {self._cluster.namespace}/{name}"):
            return self._cluster.client.get(kind, name, namespace=self._cluster.namespace)


def _workloads(spec: ValidatorSpec) -> Sequence[Workload]:
    target = spec.target
    own = [target.validator_workload] if isinstance(target, SpliceHelmTarget) else []
    return list(dict.fromkeys([*own, *spec.workloads]))


def _job(job: Job) -> JobFacts:
    metadata = job.metadata
    conditions = (job.status.conditions if job.status else None) or []
    true = {condition.type: condition for condition in conditions if condition.status == "True"}
    failed = true.get("Failed")
    end = JobEnd.FAILED if failed else JobEnd.SUCCEEDED if "Complete" in true else JobEnd.ACTIVE
    owners = (metadata.ownerReferences if metadata else None) or []
    return JobFacts(
        name=(metadata.name if metadata else None) or "",
        created=(metadata.creationTimestamp if metadata else None) or datetime.now(UTC),
        end=end,
        schedule=next((owner.name for owner in owners if owner.kind == "CronJob"), None),
        reason=(failed.reason if failed else None) or "",
        message=(failed.message if failed else None) or "",
    )


def _pod(pod: Pod) -> PodFacts:
    metadata, status = pod.metadata, pod.status
    states = [container.state for container in (status.containerStatuses if status else None) or [] if container.state]
    waiting = next((state.waiting for state in states if state.waiting), None)
    ended = next((state.terminated for state in states if state.terminated), None)
    scheduled = next((one for one in (status.conditions if status else None) or [] if one.type == "PodScheduled"), None)
    refused = scheduled is not None and scheduled.status == "False"
    return PodFacts(
        name=(metadata.name if metadata else None) or "",
        job=((metadata.labels if metadata else None) or {}).get("job-name"),
        waiting=(waiting.reason if waiting else None) or "",
        ended=(ended.reason if ended else None) or (status.reason if status else None) or "",
        message=(waiting.message if waiting else ended.message if ended else None) or "",
        unschedulable=(scheduled.message if scheduled and refused else None) or "",
    )


def _event(event: Event) -> EventFacts:
    about = event.involvedObject
    return EventFacts(about.kind or "", about.name or "", event.reason or "", " ".join((event.message or "").split()))


def _workload(workload: Workload, found: dict[str, Any], pods: list[Pod]) -> WorkloadFacts:
    containers = [one for pod in pods for one in (pod.status.containerStatuses if pod.status else None) or []]
    waiting = (one.state.waiting.reason for one in containers if one.state and one.state.waiting)
    variables = [
        variable
        for container in found["spec"]["template"]["spec"]["containers"]
        for variable in container.get("env") or []
        if variable["name"] == IDENTIFIER_VARIABLE
    ]
    return WorkloadFacts(
        name=str(workload),
        present=True,
        wanted=found["spec"].get("replicas", 1),
        ready=found.get("status", {}).get("readyReplicas", 0),
        stopped_by_us=REPLICAS_ANNOTATION in (found["metadata"].get("annotations") or {}),
        node_identifier=variables[0].get("value") if variables else None,
        restarts=sum(container.restartCount for container in containers),
        waiting=next(waiting, None) or "",
    )
