"""The workflow that users copy: its YAML is one, its commands exist, and its review runs as it stands there."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_review import Repository

FILE = Path(__file__).parents[2] / "docs" / "ci" / "review.yml"
WORKFLOW: dict[Any, Any] = yaml.safe_load(FILE.read_text())
STEPS: dict[str, dict[str, Any]] = {
    step.get("name", step.get("uses")): step for step in WORKFLOW["jobs"]["review"]["steps"]
}
ROOT = FILE.parents[2]


class Runner:
    """Runs a step's script where the commands that it names are programs of the test's own."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.folder, self.bin = repository.folder, folder
        self.summary = folder / "summary.md"
        self.program("catalyx-dr", f'exec env PYTHONPATH={ROOT} {sys.executable} -m catalyx_dr "$@"')
        self.program("gh", f'echo "$@" >> {folder}/told; cp comment.md {folder}/comment.md')

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def run(self, step: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "STACKS": "prod",
            "GITHUB_BASE_REF": "main",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            **variables,
        }
        # As GitHub runs a step that names no shell.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[step]["run"]]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "work").mkdir()
    repository = Repository(tmp_path / "work")
    repository.save()
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.git("checkout", "--quiet", "-b", "change")
    return repository


@pytest.fixture
def runner(repository: Repository, tmp_path: Path) -> Runner:
    (tmp_path / "bin").mkdir()
    return Runner(repository, tmp_path / "bin")


def test_it_runs_for_pull_requests_and_may_do_no_more_than_comment() -> None:
    # YAML 1.1 takes the key `on` for true.
    assert list(WORKFLOW[True]) == ["pull_request"]
    assert WORKFLOW["permissions"] == {"contents": "read", "pull-requests": "write"}


def test_its_stacks_and_lock_file_are_there() -> None:
    for stack in WORKFLOW["env"]["STACKS"].split():
        assert (ROOT / "stacks" / f"Pulumi.{stack}.yaml").is_file()
    assert (ROOT / "requirements" / "agent.lock").is_file()


@pytest.mark.parametrize("step", [name for name, step in STEPS.items() if "run" in step])
def test_scripts_are_well_formed(step: str) -> None:
    subprocess.run(["bash", "-n", "-c", STEPS[step]["run"]], check=True)
    assert "${{" not in STEPS[step]["run"], "a pull request could write a command into it"


def test_secrets_are_given_to_branches_of_the_repository_only() -> None:
    for step in STEPS.values():
        if "secrets." in str(step):
            assert "github.event.pull_request.head.repo.full_name == github.repository" in step["if"]


def test_review_is_written_and_passes(runner: Runner) -> None:
    ended = runner.run("Review")
    assert ended.returncode == 0, ended.stderr
    assert runner.summary.read_text().startswith("## Review of stack `prod`: nothing refused")


def test_refused_review_fails_the_check_and_is_written_all_the_same(runner: Runner, repository: Repository) -> None:
    repository.validator["backup"]["volume"]["storageClass"] = "gp2"
    repository.save()
    assert runner.run("Review").returncode == 2
    assert "REPLACES the backup volume" in runner.summary.read_text()


def test_preview_of_the_engine_is_given_to_the_review(runner: Runner) -> None:
    document = ROOT / "tests" / "goldens" / "reviews" / "preview.json"
    runner.program("pip", "exit 0")
    runner.program(
        "pulumi", f'[ "$1 $2 $3 $4" = "preview --json --non-interactive --stack" ] && cat {document}; exit 1'
    )
    assert runner.run("Preview").returncode == 0
    assert runner.run("Review").returncode == 2
    assert "### What Pulumi will do" in runner.summary.read_text()


def test_comment_is_the_page(runner: Runner) -> None:
    runner.run("Review")
    assert runner.run("Comment", NUMBER="7").returncode == 0
    assert (runner.bin / "told").read_text().startswith("pr comment 7 ")
    assert (runner.bin / "comment.md").read_text() == runner.summary.read_text()
