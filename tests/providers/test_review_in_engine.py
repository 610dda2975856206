"""What a reviewer reads of the real engine: findings in a preview, and a review of `pulumi preview --json`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.conftest import NewProject
from tests.providers.test_program_in_engine import Stack

pytestmark = pytest.mark.cluster


@pytest.fixture
def stack(new_project: NewProject, kubeconfig: Path, namespace: str) -> Stack:
    return Stack(new_project(""), namespace, kubeconfig)


def review(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "catalyx_dr", "review", "--stack", "dev", *words]
    return subprocess.run(command, cwd=stack.project.folder, capture_output=True, text=True, check=False)


def test_preview_shows_findings_of_file_and_cluster_and_what_differs_from_the_environment(
    stack: Stack, namespace: str
) -> None:
    stack.validator["backup"] |= {"cron": "0 */5 * * *"}
    stack.save()
    shown = stack.project.succeed("preview")
    assert "DR014 validators[0].backup.cron" in shown
    assert f"Secret 'postgres-secrets' is not in namespace {namespace}" in shown
    assert f"DR093 validators[0].workloads: deployment/validator-app is not in namespace {namespace}" in shown
    assert "set differently from the defaults of development: backup.cron: 0 */5 * * * (default 0 0 * * *)" in shown


def test_review_with_the_cluster_refuses_what_the_preview_only_shows(stack: Stack, namespace: str) -> None:
    ended = review(stack, "--cluster")
    assert ended.returncode == 2, ended.stderr
    assert f"Secret `postgres-secrets` is not in namespace {namespace}" in ended.stdout
    assert review(stack).returncode == 0


def test_losses_in_the_preview_of_the_engine_are_refused(stack: Stack) -> None:
    stack.project.up()
    del stack.validator["identityDump"]
    stack.configuration["waivers"] = [{"finding": "DR001", "reason": "Only to see what the engine says of it."}]
    shown = reviewed_preview(stack)
    assert "DELETES the schedule `acme-identity-dump`: nothing is captured by it any more" in shown
    assert "the preview failed" not in shown

    stack.validator["backup"]["volume"]["storageClass"] = "another"
    stack.configuration["waivers"].append({"finding": "DR082", "reason": "Dumps are made by another tool here."})
    shown = reviewed_preview(stack)
    assert "REPLACES the backup volume `acme-backups` (spec.storageClassName): data loss" in shown
    assert "**the preview failed**: Preview failed: " in shown
    assert "spec is immutable after creation" in shown


def reviewed_preview(stack: Stack) -> str:
    """Page of a review that is given the engine's preview; it must be refused."""
    stack.save()
    command = ["pulumi", "preview", "--json", "--non-interactive"]
    with (stack.project.folder / "preview.json").open("w") as preview:
        subprocess.run(command, cwd=stack.project.folder, env=stack.project.environment, stdout=preview, check=False)
    ended = review(stack, "--preview-json", "preview.json")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    return ended.stdout
