"""`preflight` and `rollback` as people type them: the Job that is started, and the exit code that its end means."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from typer.testing import CliRunner

from catalyx_dr.adapters import jobs
from catalyx_dr.adapters.jobs import JobState
from catalyx_dr.adapters.recovery_jobs import Installed
from catalyx_dr.cli import app, in_cluster, preflight, rollback
from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.environment_spec import AgentImage
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import RecordKind
from tests.components.records import MemoryRecords, captured
from tests.components.rendering import NOW
from tests.components.specs import validator_spec

SPEC = validator_spec()


@dataclass
class PlayedJobs:
    """Jobs that end as a test wants."""

    ends: JobState = JobState.SUCCEEDED
    code: int = 0
    present: dict[str, JobState] = field(default_factory=dict)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    namespace: str = "canton"

    def state(self, _cluster: object, name: str) -> JobState:
        return self.present.get(name, JobState.ABSENT)

    def submit(self, _cluster: object, manifest: dict[str, Any]) -> bool:
        self.submitted.append(manifest)
        return manifest["metadata"]["name"] not in self.present

    def follow(self, _cluster: object, _name: str, on_line: Any) -> JobState:
        on_line("pass: set-proven: it is complete")
        return self.ends

    def remove(self, _cluster: object, name: str) -> None:
        self.removed.append(name)
        self.present.pop(name, None)

    def exit_code(self, _cluster: object, _name: str) -> int:
        return self.code

    @property
    def arguments(self) -> list[str]:
        found: list[str] = self.submitted[0]["spec"]["template"]["spec"]["containers"][0]["args"]
        return found


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> PlayedJobs:
    made = PlayedJobs()
    for name in ("state", "submit", "follow", "remove", "exit_code"):
        monkeypatch.setattr(jobs, name, getattr(made, name))
    for module in (preflight, rollback):
        monkeypatch.setattr(module, "connect", lambda *_: made)
        monkeypatch.setattr(module, "installed", lambda *_: Installed(SPEC, AgentImage(image="agent:1")))
    return made


def run(*words: str) -> Exception | None:
    """Run a command; returns the error that its exit code comes from."""
    ended = CliRunner().invoke(app, [*words, "--namespace", "canton"])
    assert ended.exception is None or isinstance(ended.exception, CatalyxDrError), ended.output
    return ended.exception


def test_preflight_of_a_restore_is_a_job_with_the_rights_of_one(played: PlayedJobs) -> None:
    words = ("--set", "latest before 2026-11-24T06:00:00Z", "--source", "bucket", "--age-identity", "safe/key")
    assert run("preflight", "restore", *words, "--override", "set-age=this network keeps 90 days") is None

    pod = played.submitted[0]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "acme-recovery"
    assert pod["containers"][0]["image"] == "agent:1"
    assert played.arguments == [
        "restore",
        *("--set", "latest before 2026-11-24T06:00:00Z"),
        *("--request", "preflight"),
        *("--source", "bucket"),
        *("--age-identity-file", "/etc/catalyx-dr/secrets/safe/key"),
        *("--override", "set-age=this network keeps 90 days"),
        "--only-check",
    ]
    assert played.removed == [played.submitted[0]["metadata"]["name"]]


@pytest.mark.parametrize("given", ["AGE-SECRET-KEY-1ABC", "AGE-SECRET-KEY-1ABC/key", "safe/AGE-SECRET-KEY-1ABC"])
def test_identity_in_the_place_of_its_name_is_not_shown(played: PlayedJobs, given: str) -> None:
    error = run("preflight", "restore", "--source", "bucket", "--age-identity", given)
    assert str(error) == "--age-identity names no Secret and key; write SECRET/KEY"
    assert played.submitted == []


def test_refused_preflight_is_told_from_a_failed_one(played: PlayedJobs) -> None:
    played.ends, played.code = JobState.FAILED, 2
    assert isinstance(run("preflight", "restore"), RefusedError)
    played.code = 1
    failed = run("preflight", "restore")
    assert isinstance(failed, CatalyxDrError)
    assert not isinstance(failed, RefusedError)


def test_preflight_of_an_import_mounts_the_newest_dump_by_its_id(
    played: PlayedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = MemoryRecords([captured(RecordKind.IDENTITY_DUMP, NOW, "cluster")])
    monkeypatch.setattr(preflight, "ClusterRecords", lambda _cluster: records)

    assert run("preflight", "import", "--new-identifier", "acme-2") is None

    assert played.arguments[:3] == ["import-identities", "--dump", capture_id(NOW)]
    assert played.arguments[-1] == "--only-check"
    secret = ObjectNames.of(SPEC).identity_dump_secret(capture_id(NOW))
    assert secret in str(played.submitted[0]["spec"]["template"]["spec"]["volumes"])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("restore", "--set", "yesterday"), "set: "),
        (("restore", "--source", "moon"), "source: "),
        (("restore", "--source", "bucket"), "ageIdentity is required to read from the bucket"),
        (("restore", "--override", "set-age"), "write VERDICT=REASON"),
        (("restore", "--age-identity", "safe"), "write SECRET/KEY"),
        (
            ("import", "--new-identifier", "a b", "--source", "bucket", "--age-identity", "s/k"),
            "allowed: letters, digits",
        ),
    ],
)
def test_what_cannot_be_meant_starts_no_job(played: PlayedJobs, words: tuple[str, ...], error: str) -> None:
    refused = run("preflight", *words)
    assert isinstance(refused, RefusedError)
    assert error in str(refused)
    assert played.submitted == []


@pytest.mark.parametrize("ended", [JobState.FAILED, JobState.SUCCEEDED])
def test_rollback_is_one_job_a_request_and_takes_the_place_of_one_that_has_ended(
    played: PlayedJobs, ended: JobState
) -> None:
    name = ObjectNames.of(SPEC).job("rollback", "r1")
    played.present[name] = ended

    assert run("rollback", "--request", "r1") is None

    assert played.removed == [name]
    assert played.arguments == ["roll-back", "--request", "r1"]
    assert played.submitted[0]["metadata"]["name"] == name


@pytest.mark.parametrize(
    ("words", "looks", "acts"),
    [
        (("restore", "--in-place"), "restore_preflight", "restore"),
        (
            ("import", "--new-identifier", "acme-2", "--source", "bucket", "--age-identity", "safe/key"),
            "import_preflight",
            "import_identities",
        ),
    ],
)
def test_job_of_a_preflight_only_looks(
    played: PlayedJobs, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], looks: str, acts: str
) -> None:
    assert run("preflight", *words) is None
    looked: list[object] = []

    def look(_spec: object, order: object, *_more: object) -> tuple[()]:
        looked.append(order)
        return ()

    monkeypatch.setattr(in_cluster, "_read", lambda _path: (SPEC, None))
    monkeypatch.setattr(in_cluster, looks, look)
    monkeypatch.delattr(in_cluster, acts)

    ended = CliRunner().invoke(app, played.arguments)

    assert (ended.exit_code, ended.output) == (0, "it may begin\n")
    assert getattr(looked[0], "request_id", None) == "preflight"


def test_rollback_that_runs_is_watched_and_its_undoing_is_another_job(played: PlayedJobs) -> None:
    played.present[ObjectNames.of(SPEC).job("rollback", "r1")] = JobState.ACTIVE

    assert run("rollback", "--request", "r1") is None
    assert run("rollback", "--request", "r1", "--undo") is None

    assert played.removed == []
    watched, undoing = played.submitted
    assert undoing["metadata"]["name"] == ObjectNames.of(SPEC).job("rollback-undo", "r1")
    assert undoing["metadata"]["name"] != watched["metadata"]["name"]
    assert undoing["spec"]["template"]["spec"]["containers"][0]["args"] == ["roll-back", "--request", "r1", "--undo"]
