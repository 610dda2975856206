"""Requests carried out against a cluster that is played: submitted, adopted, watched, judged, never run twice."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pulumi.dynamic import CreateResult

from catalyx_dr.adapters import jobs
from catalyx_dr.adapters.jobs import CannotStartError, JobState
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from dynamic_providers import cluster_job
from dynamic_providers.cluster_access import ClusterAccess
from dynamic_providers.cluster_job import RequestFailedError
from dynamic_providers.database_restore import DatabaseRestoreProvider
from dynamic_providers.ensured_bucket import EnsuredBucketProvider
from dynamic_providers.identity_import import IdentityImportProvider
from tests.components.records import MemoryRecords, record

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SET = "20260301t060000z"
JOB = "acme-restore-1"
REQUEST = {
    "validator": "acme",
    "namespace": "canton",
    "requestId": "r1",
    "set": "latest",
    "setId": SET,
    "source": "volume",
    "progressUrn": None,
    "validatorJob": json.dumps({"metadata": {"name": JOB}, "spec": {"activeDeadlineSeconds": 3600}}),
}


class PlayedCluster:
    """Jobs by name; `run` is what happens while a Job is followed."""

    namespace = "canton"

    def __init__(self) -> None:
        self.states: dict[str, JobState] = {}
        self.records = MemoryRecords()
        self.calls: list[str] = []
        self.ends: JobState = JobState.SUCCEEDED
        self.leaves: Record | None = completed()
        self.patience: timedelta | None = None

    def submit(self, _: object, manifest: dict[str, Any]) -> bool:
        name = manifest["metadata"]["name"]
        self.calls.append(f"submit {name}")
        fresh = name not in self.states
        self.states.setdefault(name, JobState.ACTIVE)
        return fresh

    def state(self, _: object, name: str) -> JobState:
        return self.states.get(name, JobState.ABSENT)

    def remove(self, _: object, name: str) -> None:
        self.calls.append(f"remove {name}")
        self.states.pop(name)

    def follow(self, _: object, name: str, on_line: Callable[[str], None], patience: timedelta) -> JobState:
        self.calls.append(f"follow {name}")
        self.patience = patience
        on_line("restore acme/r1:  42 % load")
        self.states[name] = self.ends
        if self.leaves is not None:
            self.records.save(self.leaves)
        return self.ends


def completed() -> Record:
    return record(RecordKind.RESTORE, "r1", NOW, set=SET)


def failed() -> Record:
    return record(RecordKind.RESTORE, "r1", NOW, RecordStatus.FAILED).model_copy(
        update={"phase": "load participant", "message": "the server is full"}
    )


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> PlayedCluster:
    played = PlayedCluster()
    for name in ("submit", "state", "remove", "follow"):
        monkeypatch.setattr(jobs, name, getattr(played, name))
    monkeypatch.setattr(cluster_job, "ClusterRecords", lambda cluster: played.records)
    monkeypatch.setattr(ClusterAccess, "connect", lambda self, namespace: played)
    # The provider asks for errors without the way of the call; the tests' own stay as they are.
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)
    monkeypatch.setattr(sys, "argv", ["test"])
    return played


def create(**changes: object) -> CreateResult:
    provider = DatabaseRestoreProvider()
    provider.access = ClusterAccess()
    return provider.create(REQUEST | changes)


def test_request_is_submitted_watched_and_ends_with_its_record(
    cluster: PlayedCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    result = create()
    assert result.id == f"canton/{JOB}"
    assert result.outs is not None
    assert result.outs["status"] == "Completed"
    assert result.outs["finished"] == "2026-03-01T12:01:00Z"
    assert result.outs["details"] == {"set": SET}
    assert cluster.calls == [f"submit {JOB}", f"follow {JOB}"]
    assert cluster.patience == timedelta(seconds=3600, minutes=5)
    assert "42 % load" in capsys.readouterr().out


def test_completed_request_is_not_run_again(cluster: PlayedCluster) -> None:
    cluster.records.save(completed())
    result = create()
    assert result.outs is not None
    assert result.outs["status"] == "Completed"
    assert cluster.calls == []


def test_running_job_is_adopted(cluster: PlayedCluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.states[JOB] = JobState.ACTIVE
    cluster.records.save(record(RecordKind.RESTORE, "r1", NOW, RecordStatus.RUNNING))
    create()
    assert f"remove {JOB}" not in cluster.calls
    assert "is there already and is watched" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "operation"),
    [(RecordKind.IDENTITY_IMPORT, "import"), (RecordKind.RESTORE, "restore"), (RecordKind.ROLLBACK, "rollback")],
)
def test_nothing_is_started_beside_another_recovery(cluster: PlayedCluster, kind: RecordKind, operation: str) -> None:
    other = ObjectNames("acme", "canton").job(operation, "another")
    cluster.records.save(record(kind, "another", NOW, RecordStatus.RUNNING))
    cluster.states[other] = JobState.ACTIVE
    with pytest.raises(RefusedError, match=f"{kind} another of acme is running .*{other}.*nothing was started beside"):
        create()
    assert cluster.calls == []

    cluster.states[other] = JobState.FAILED  # killed: its record still says that it runs
    create()


def test_failed_job_is_removed_and_run_again(cluster: PlayedCluster) -> None:
    cluster.states[JOB] = JobState.FAILED
    cluster.records.save(failed())
    create()
    assert cluster.calls == [f"remove {JOB}", f"submit {JOB}", f"follow {JOB}"]


def test_failure_tells_phase_and_reason_and_the_way_out(cluster: PlayedCluster) -> None:
    cluster.ends, cluster.leaves = JobState.FAILED, failed()
    with pytest.raises(
        RequestFailedError, match=r"failed in phase 'load participant': the server is full; .*pulumi up"
    ):
        create()
    assert sys.tracebacklimit == 0


def test_job_that_cannot_start_is_removed_so_that_another_image_gets_its_chance(
    cluster: PlayedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> JobState:
        raise CannotStartError("Job canton/acme-restore-1 cannot start: ImagePullBackOff: no such image")

    monkeypatch.setattr(jobs, "follow", never)
    with pytest.raises(RequestFailedError, match="ImagePullBackOff: no such image; nothing of it has run"):
        create()
    assert cluster.calls == [f"submit {JOB}", f"remove {JOB}"]


def test_job_that_ends_without_a_record_proves_nothing(cluster: PlayedCluster) -> None:
    cluster.leaves = None
    with pytest.raises(RequestFailedError, match="succeeded and left no proof"):
        create()


def test_record_of_a_request_that_meant_another_set_is_no_result(cluster: PlayedCluster) -> None:
    cluster.records.save(completed())
    with pytest.raises(RefusedError, match=f"was used for set '{SET}'"):
        create(set="20260228t060000z", setId="20260228t060000z")


def test_bucket_is_proven_by_its_job_alone(cluster: PlayedCluster) -> None:
    provider = EnsuredBucketProvider()
    provider.access = ClusterAccess()
    result = provider.create(REQUEST | {"bucket": "b", "endpoint": "http://s3"})
    assert result.outs is not None
    assert result.outs["status"] == "Completed"
    cluster.states, cluster.ends = {}, JobState.FAILED
    with pytest.raises(RequestFailedError, match="bucket r1 of acme"):
        provider.create(REQUEST | {"bucket": "b", "endpoint": "http://s3"})


def test_check_keeps_what_latest_was() -> None:
    later = REQUEST | {"setId": "20260301t120000z", "validatorJob": "{}"}
    result = DatabaseRestoreProvider().check(REQUEST, later)
    assert result.failures == []
    assert result.inputs["setId"] == SET
    assert result.inputs["validatorJob"] == REQUEST["validatorJob"]


def test_check_takes_the_id_that_latest_was() -> None:
    assert DatabaseRestoreProvider().check(REQUEST, REQUEST | {"set": SET}).failures == []


@pytest.mark.parametrize(
    ("provider", "changed"),
    [
        (DatabaseRestoreProvider(), {"set": "20260228t060000z"}),
        (DatabaseRestoreProvider(), {"source": "bucket"}),
        (IdentityImportProvider(), {"newParticipantIdentifier": "acme-3"}),
        (IdentityImportProvider(), {"dump": "20260228t060000z"}),
    ],
)
def test_check_refuses_another_meaning_of_a_request_id(provider: Any, changed: dict[str, str]) -> None:
    olds = REQUEST | {"dump": "latest", "dumpId": SET, "newParticipantIdentifier": "acme-2", "apply": "workload"}
    (failure,) = provider.check(olds, olds | changed).failures
    assert [failure.property] == list(changed)
    assert "give a new requestId" in failure.reason


def test_check_takes_a_new_request_as_it_is() -> None:
    news = REQUEST | {"requestId": "r2", "set": "20260228t060000z"}
    assert DatabaseRestoreProvider().check(REQUEST, news).inputs == news
    assert DatabaseRestoreProvider().check({}, news).inputs == news


def test_only_another_request_is_a_change() -> None:
    provider = DatabaseRestoreProvider()
    same = provider.diff("id", REQUEST | {"status": "Completed"}, REQUEST | {"validatorJob": "{}", "takenAt": "later"})
    assert same.changes is False
    another = provider.diff("id", REQUEST, REQUEST | {"requestId": "r2"})
    assert another.changes is True
    assert another.replaces == ["requestId"]
    assert another.delete_before_replace is False


def test_removal_undoes_nothing_and_says_so(cluster: PlayedCluster, capsys: pytest.CaptureFixture[str]) -> None:
    DatabaseRestoreProvider().delete("id", REQUEST)
    EnsuredBucketProvider().delete("id", REQUEST | {"bucket": "b", "endpoint": "http://s3"})
    said = capsys.readouterr().out
    assert "what it did stays" in said
    assert "bucket b at http://s3 stays" in said
    assert cluster.calls == []


def test_refresh_changes_nothing() -> None:
    assert DatabaseRestoreProvider().read("id", dict(REQUEST)).outs == REQUEST
