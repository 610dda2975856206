"""A restore as the real engine drives it against a real cluster: live progress, retried, adopted, never run twice."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import ConfigMap
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from tests.engine.conftest import NewProject
from tests.engine.pulumi_project import PulumiProject
from tests.providers.agent_jobs import agent_job, allow_records

pytestmark = pytest.mark.cluster

PROGRAM = """
import json
import pulumi
from dynamic_providers.database_restore import DatabaseRestore, DatabaseRestoreArgs

config = pulumi.Config()
if config.get("job"):
    restore = DatabaseRestore("acme-restore", DatabaseRestoreArgs(
        validator="acme", namespace=config.require("namespace"), request_id=config.require("request"),
        set=config.get("set") or "latest", set_id="20260301t060000z", taken_at="2026-03-01T06:00:00+00:00",
        source="volume", overrides=(), stops=("deployment/participant",), job=json.loads(config.require("job"))),
        pulumi.ResourceOptions())
    pulumi.export("status", restore.status)
"""


@pytest.fixture
def project(new_project: NewProject, kubeconfig: Path, client: Client, namespace: str) -> PulumiProject:
    allow_records(client, namespace)
    return new_project(PROGRAM, namespace=namespace, kubernetes__kubeconfig=str(kubeconfig))


@pytest.fixture
def ask(project: PulumiProject, namespace: str) -> Callable[[str, str], None]:
    """Put a request into the stack."""

    def configure(request: str, end: str) -> None:
        project.configure(request=request, job=json.dumps(agent_job(namespace, request, end)))

    return configure


def job_uids(client: Client, namespace: str) -> list[str]:
    found = client.list(Job, namespace=namespace)
    return [job.metadata.uid for job in found if job.metadata and job.metadata.uid]


def test_a_request_runs_once(
    project: PulumiProject, ask: Callable[[str, str], None], client: Client, namespace: str
) -> None:
    ask("r1", "complete")
    preview = project.succeed("preview", "--diff")
    assert "20260301t060000z" in preview
    assert job_uids(client, namespace) == []

    shown = project.up()
    assert "acme-restore creating" in shown
    assert "restore acme:  40 % load" in shown
    assert project.succeed("stack", "output", "status").strip() == "Completed"
    (uid,) = job_uids(client, namespace)

    project.succeed("up", "--yes", "--skip-preview", "--expect-no-changes")
    project.succeed("refresh", "--yes")
    project.succeed("preview", "--expect-no-changes")

    project.succeed("config", "rm", "job")
    assert "is only forgotten by the stack" in project.up()
    ask("r1", "complete")
    assert "was completed at" in project.up()
    assert job_uids(client, namespace) == [uid]

    ask("r2", "complete")
    assert project.previewed_steps()["acme-restore"]["op"] == "replace"
    project.up()
    assert len(job_uids(client, namespace)) == 2


def test_another_set_under_the_same_request_is_refused_in_the_preview(
    project: PulumiProject, ask: Callable[[str, str], None]
) -> None:
    ask("r1", "complete")
    project.up()
    project.configure(set="20260228t060000z")
    refused = project.run("preview")
    assert refused.returncode != 0
    assert "requestId 'r1' stands for set 'latest'" in refused.stdout


def test_a_failed_request_tells_why_and_the_next_run_takes_it_up_again(
    project: PulumiProject, ask: Callable[[str, str], None]
) -> None:
    ask("r1", "fail")
    failed = project.run("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    assert "restore r1 of acme failed in phase 'load': the server is full" in failed.stdout
    assert "Traceback" not in failed.stdout
    ask("r1", "complete")
    assert "an earlier attempt failed in phase 'load'" in project.up()
    assert project.succeed("stack", "output", "status").strip() == "Completed"


def test_an_update_that_was_killed_is_taken_up_where_its_job_is(
    project: PulumiProject, ask: Callable[[str, str], None], client: Client, namespace: str
) -> None:
    ask("r1", "wait")
    with project.start("up", "--yes", "--skip-preview") as update:
        found = retry(stop=stop_after_delay(60), wait=wait_fixed(0.2), retry=retry_if_result(lambda uids: not uids))(
            job_uids
        )(client, namespace)
        update.kill()
    project.succeed("cancel", "--yes")
    client.create(ConfigMap(metadata=ObjectMeta(name="go", namespace=namespace)))
    shown = project.up()
    assert "is there already and is watched" in shown or "was completed at" in shown
    assert job_uids(client, namespace) == found
    assert project.succeed("stack", "output", "status").strip() == "Completed"


def test_a_job_whose_image_is_nowhere_makes_way_for_one_that_runs(
    project: PulumiProject, ask: Callable[[str, str], None], client: Client, namespace: str
) -> None:
    job = agent_job(namespace, "r1", "complete")
    job["spec"]["template"]["spec"]["containers"][0] |= {"image": "localhost/nowhere:1", "imagePullPolicy": "Never"}
    project.configure(request="r1", job=json.dumps(job))
    failed = project.run("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    assert "ErrImageNeverPull" in failed.stdout
    assert job_uids(client, namespace) == []
    ask("r1", "complete")
    project.up()
    assert project.succeed("stack", "output", "status").strip() == "Completed"
