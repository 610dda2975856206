"""A request that one Job in the cluster carries out: submitted or adopted, watched to its end, never run twice.

The Job's name is made from the request id and its outcome is kept in a record, so that an interrupted `pulumi up`
finds both again. Providers are stateless until configured: the engine stores a reference to the class, nothing else.
"""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
)

from catalyx_dr.adapters import jobs
from catalyx_dr.adapters.api_silence import bear_silence
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.jobs import JobState
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from dynamic_providers.cluster_access import ClusterAccess
from dynamic_providers.progress_lines import progress_lines

Properties = dict[str, Any]
# Nothing else tells one request from another.
_IDENTITY = ("validator", "namespace", "requestId")
_RECOVERIES = {
    RecordKind.RESTORE: "restore",
    RecordKind.IDENTITY_IMPORT: "import",
    RecordKind.ROLLBACK: "rollback",
}
# Time beyond the Job's own deadline in which the cluster must have ended it.
_GRACE = timedelta(minutes=5)


class RequestFailedError(CatalyxDrError):
    """The Job of a request did not end as proven."""


class ClusterJobProvider(ResourceProvider):
    """Base of all requests. Inputs: validator, namespace, requestId, validatorJob, progressUrn, and a subclass' own.

    `record_kind`: kind of the record that tells the outcome; without one the Job's own state does.
    `bound`: inputs that a request id stands for, so that they cannot change under it.
    """

    serialize_as_secret_always = False
    what: ClassVar[str] = "request"
    record_kind: ClassVar[RecordKind | None] = None
    bound: ClassVar[tuple[str, ...]] = ()

    def configure(self, req: ConfigureRequest) -> None:
        """Learn how to reach the cluster."""
        self.access = ClusterAccess.configured(req.config.get)

    def check(self, _olds: Properties, news: Properties) -> CheckResult:
        """Keep an old request as it was resolved (`latest` stays what it was); refuse another meaning of its id."""
        if not _same_request(_olds, news):
            return CheckResult(news, [])
        changed = [name for name in self.bound if not self.means_the_same(name, _olds, news)]
        failures = [CheckFailure(name, self._new_request_wanted(name, _olds)) for name in changed]
        return CheckResult({**_olds, "progressUrn": news.get("progressUrn")}, failures)

    def means_the_same(self, name: str, olds: Properties, news: Properties) -> bool:
        """Tell whether a bound input still means what it meant."""
        return bool(olds.get(name) == news.get(name))

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        """Only another request is a change; it is a new one, carried out before the old one is forgotten."""
        changed = [name for name in _IDENTITY if _olds.get(name) != _news.get(name)]
        return DiffResult(changes=bool(changed), replaces=changed, delete_before_replace=False)

    def create(self, props: Properties) -> CreateResult:
        """Carry the request out, or find that it was; raises RequestFailedError with the Job's own words."""
        try:
            outcome = self._carry_out(props, progress_lines(props.get("progressUrn")))
        except CatalyxDrError:
            # The text says all; the SDK would print the way of the call above it.
            sys.tracebacklimit = 0
            raise
        return CreateResult(f"{props['namespace']}/{_manifest(props)['metadata']['name']}", {**props, **outcome})

    def read(self, id_: str, props: Properties) -> ReadResult:
        """A request that was carried out stays so; there is nothing to drift."""
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: Properties) -> None:
        """Forget the request; what it did stays, and so does its record."""
        say = progress_lines(_props.get("progressUrn"))
        say(f"{self._title(_props)} is only forgotten by the stack: what it did stays, and so does its record")

    def _carry_out(self, props: Properties, say: Callable[[str], None]) -> Properties:
        cluster = self.access.connect(props["namespace"])
        done = self._record(cluster, props)
        if done is not None and done.status is RecordStatus.COMPLETED:
            self.refuse_other_meaning(done, props)
            say(f"{self._title(props)} was completed at {done.finished:%Y-%m-%d %H:%M:%S} UTC and is not run again")
            return _outcome(done)
        if self.record_kind is not None:
            _refuse_beside_another(cluster, self.record_kind, props)
        manifest = _manifest(props)
        name = manifest["metadata"]["name"]
        _make_way(cluster, name, done, say)
        submitted = jobs.submit(cluster, manifest)
        say(f"Job {cluster.namespace}/{name} {'started' if submitted else 'is there already and is watched'}")
        patience = timedelta(seconds=manifest["spec"]["activeDeadlineSeconds"]) + _GRACE
        try:
            state = jobs.follow(cluster, name, say, patience)
        except jobs.CannotStartError as error:
            # Left there it would be adopted again, with the very image that could not be had.
            jobs.remove(cluster, name)
            raise RequestFailedError(
                f"{self._title(props)}: {error}; nothing of it has run, and it is removed"
            ) from None
        record = bear_silence(lambda: self._record(cluster, props), say)
        return self._judge(props, state, record)

    def refuse_other_meaning(self, done: Record, props: Properties) -> None:
        """Raise RefusedError when the completed request meant something else; nothing to compare by default."""

    def _record(self, cluster: Cluster, props: Properties) -> Record | None:
        if self.record_kind is None:
            return None
        return ClusterRecords(cluster).find(self.record_kind, props["validator"], props["requestId"])

    def _judge(self, props: Properties, state: JobState, record: Record | None) -> Properties:
        if record is not None and record.status is RecordStatus.COMPLETED:
            return _outcome(record)
        if self.record_kind is None and state is JobState.SUCCEEDED:
            return {"status": str(RecordStatus.COMPLETED)}
        job = f"{props['namespace']}/{_manifest(props)['metadata']['name']}"
        again = "when the cause is removed, the next pulumi up runs the same request again"
        if record is not None and record.status is RecordStatus.FAILED:
            raise RequestFailedError(
                f"{self._title(props)} failed in phase {record.phase!r}: {record.message}; {again}"
            )
        raise RequestFailedError(
            f"{self._title(props)}: Job {job} {state} and left no proof; its log is above; {again}"
        )

    def _title(self, props: Properties) -> str:
        return f"{self.what} {props['requestId']} of {props['validator']}"

    def _new_request_wanted(self, name: str, olds: Properties) -> str:
        return (
            f"requestId {olds['requestId']!r} stands for {name} {olds.get(name)!r}; "
            "a request never changes its meaning: give a new requestId"
        )


def different(name: str, done: Record, then: object, now: object) -> RefusedError:
    """Error for a completed request whose id is used again for something else."""
    return RefusedError(
        f"requestId {done.identifier!r} was used for {name} {then!r} at {done.started:%Y-%m-%d %H:%M} UTC, "
        f"now it asks for {now!r}; the same request never runs twice: give a new requestId"
    )


def _manifest(props: Properties) -> dict[str, Any]:
    """The Job; as a text, because every number in a property arrives as a float."""
    manifest: dict[str, Any] = json.loads(props["validatorJob"])
    return manifest


def _same_request(olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    return bool(olds) and all(olds.get(name) == news.get(name) for name in _IDENTITY)


def _refuse_beside_another(cluster: Cluster, kind: RecordKind, props: Properties) -> None:
    """Two recoveries of one validator would stop, start and rename the same: an interrupted one may still go on."""
    validator = props["validator"]
    for record in ClusterRecords(cluster).list(validator):
        operation = _RECOVERIES.get(record.kind)
        if operation is None or (record.kind, record.identifier) == (kind, props["requestId"]):
            continue
        job = ObjectNames(validator, props["namespace"]).job(operation, record.identifier)
        if record.status is RecordStatus.RUNNING and jobs.state(cluster, job) is JobState.ACTIVE:
            raise RefusedError(
                f"{record.kind} {record.identifier} of {validator} is running (phase {record.phase!r}, Job "
                f"{cluster.namespace}/{job}); nothing was started beside it: wait until catalyx-dr history tells its "
                "end, or delete that Job, then run the same request again"
            )


def _make_way(cluster: Cluster, name: str, earlier: Record | None, say: Callable[[str], None]) -> None:
    """Remove the Job of an earlier attempt that failed, or that its deadline ended before it could say so."""
    state = jobs.state(cluster, name)
    if state in (JobState.ABSENT, JobState.ACTIVE):
        return
    reason = f"failed in phase {earlier.phase!r}" if earlier else f"{state} without a record"
    say(f"an earlier attempt {reason}; Job {cluster.namespace}/{name} is removed and run again")
    jobs.remove(cluster, name)


def _outcome(record: Record) -> Properties:
    document = record.model_dump(mode="json", by_alias=True)
    kept = ("status", "started", "finished", "bytes", "message", "details")
    return {name: document[name] for name in kept if document[name] is not None}
