"""Jobs that fail or cannot start, by what Kubernetes says of them and of their pods."""

from collections.abc import Iterator

from catalyx_dr.model.record import RecordKind, RecordStatus
from catalyx_dr.rules.diagnosis.diagnosis import Diagnosis, Rule
from catalyx_dr.rules.diagnosis.facts import ClusterFacts, JobEnd, JobFacts, PodFacts

_PULL = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")
_LAST_WORDS = 300
_MOUNT = ("FailedMount", "FailedAttachVolume")
_GOES_ON = {
    RecordKind.RESTORE: "pulumi up with the same requestId goes on where it was",
    RecordKind.IDENTITY_IMPORT: "pulumi up with the same requestId goes on where it was",
    RecordKind.ROLLBACK: "catalyx-dr rollback with the same request goes on where it was",
}


def cannot_start(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Pods whose container never comes up."""
    for job, pod in _recent_pods(facts):
        if pod.waiting in _PULL:
            yield _of_pod(
                "image-not-pulled",
                job,
                pod,
                "the image is not in the registry, or may not be pulled from it",
                "correct agent.image in the stack file or give the pull secret; then pulumi up",
            )
        elif pod.waiting == "CreateContainerConfigError":
            yield _of_pod(
                "pod-configuration",
                job,
                pod,
                "a ConfigMap or Secret that the pod names is not there",
                "pulumi up makes what is declared; Secrets of the validator are made by whoever installs it",
            )
        elif pod.unschedulable:
            yield Diagnosis(
                "pod-unschedulable",
                f"pod {pod.name} of Job {job.name}",
                pod.unschedulable,
                "no node has room for it, or its volume is bound elsewhere",
                "give the cluster room; see kubectl describe pod",
            )
        elif pod.waiting == "ContainerCreating" and (mounts := facts.warnings("Pod", pod.name, *_MOUNT)):
            yield Diagnosis(
                "volume-not-mounted",
                f"pod {pod.name} of Job {job.name}",
                mounts[0],
                "the backup volume is attached to another node, or its claim is not bound",
                "end what holds the volume; see kubectl describe pod",
            )


def cannot_make_pods(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Jobs for which Kubernetes refuses to make a pod."""
    for job in _newest_of_each(facts):
        told = facts.warnings("Job", job.name, "FailedCreate")
        if told and job.end is not JobEnd.SUCCEEDED and all(pod.job != job.name for pod in facts.pods):
            yield Diagnosis(
                "pod-refused",
                f"Job {job.name}",
                told[0],
                "a quota, an admission policy or a missing service account refuses its pod",
                "mend what the message names; pulumi up makes service accounts again",
            )


def ended_badly(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The newest Job of a schedule or recovery failed in a way that its record does not tell."""
    for job in _newest_of_each(facts):
        if job.end is not JobEnd.FAILED:
            continue
        pod = next((pod for pod in facts.pods if pod.job == job.name), None)
        if pod is not None and pod.ended == "OOMKilled":
            yield _failed(
                "out-of-memory",
                job,
                "its container was killed for using more memory than its limit",
                "fewer backup.parallelJobs use less memory",
            )
        elif job.reason == "DeadlineExceeded":
            yield _failed(
                "deadline-exceeded",
                job,
                "it took longer than its deadline and was ended",
                "raise deadline in the stack file, or make it quicker: more parallelJobs, a lower compressionLevel",
            )
        elif not _told_by_record(facts, job):
            words = pod.message[-_LAST_WORDS:] if pod is not None else ""
            yield _failed(
                "job-failed",
                job,
                words or "its pod ended before it could keep a record",
                f"look at kubectl logs job/{job.name} -n {facts.spec.namespace}",
            )


def cut_off(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Records of runs that go on although no Job does."""
    for record in facts.records:
        if record.status is RecordStatus.RUNNING and not facts.active_jobs():
            yield Diagnosis(
                "cut-off",
                f"{record.kind} {record.identifier}",
                f"it stands at {record.percent} % in phase {record.phase!r}, and no Job of it is there",
                "its pod was killed, or its node was lost",
                _GOES_ON.get(record.kind, "nothing: the next run cleans up; catalyx-dr run starts one now"),
            )


def _recent_pods(facts: ClusterFacts) -> Iterator[tuple[JobFacts, PodFacts]]:
    jobs = {job.name: job for job in _newest_of_each(facts) if job.end is not JobEnd.SUCCEEDED}
    for pod in facts.pods:
        if pod.job in jobs:
            yield jobs[pod.job], pod


def _newest_of_each(facts: ClusterFacts) -> list[JobFacts]:
    """Newest Job of each schedule, and every Job that no schedule made."""
    newest: dict[str, JobFacts] = {}
    for job in sorted(facts.jobs, key=lambda job: job.created):
        newest[job.schedule or job.name] = job
    return list(newest.values())


def _told_by_record(facts: ClusterFacts, job: JobFacts) -> bool:
    return any(
        record.status is RecordStatus.FAILED and record.started >= job.created for record in facts.records
    ) or any(record.status is RecordStatus.FAILED and record.kind in _recoveries(job) for record in facts.records)


def _recoveries(job: JobFacts) -> tuple[RecordKind, ...]:
    return () if job.schedule else (RecordKind.RESTORE, RecordKind.IDENTITY_IMPORT)


def _of_pod(name: str, job: JobFacts, pod: PodFacts, cause: str, remedy: str) -> Diagnosis:
    return Diagnosis(name, f"pod {pod.name} of Job {job.name}", f"{pod.waiting}: {pod.message}", cause, remedy)


def _failed(name: str, job: JobFacts, cause: str, remedy: str) -> Diagnosis:
    return Diagnosis(name, f"Job {job.name}", f"it failed: {job.reason or 'no reason given'}", cause, remedy)


RULES: tuple[Rule, ...] = (cannot_start, cannot_make_pods, ended_badly, cut_off)
