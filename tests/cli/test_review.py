"""`catalyx-dr review` in a repository of the test's own: stack file, base, exit codes, what is never shown."""

import json
import subprocess
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalyx_dr.adapters import backup_claims
from catalyx_dr.cli import review as review_module
from catalyx_dr.model.record import RecordKind
from catalyx_dr.rules.policy import ClusterFacts
from tests.cli.conftest import Typed
from tests.components.records import MemoryRecords, captured
from tests.rules.stack_corpus import good

Command = Callable[..., tuple[int, str, str]]
PROJECT = {"name": "backups", "runtime": "python", "stackConfigDir": "stacks", "config": {"waivers": {"default": []}}}


class Repository:
    """A project with one stack in a git repository, a branch `main` behind the branch under review."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack_file = folder / "stacks" / "Pulumi.prod.yaml"
        self.configuration = deepcopy(good("production"))
        self.others: dict[str, Any] = {}
        (folder / "stacks").mkdir()
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(PROJECT))
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> None:
        author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", *author, *words], cwd=self.folder, check=True, capture_output=True)

    def save(self, commit: bool = True) -> None:
        """Write the stack file, and commit everything."""
        config = {f"backups:{key}": value for key, value in self.configuration.items()} | self.others
        self.stack_file.write_text(yaml.safe_dump({"encryptionsalt": "v1:salt", "config": config}))
        if commit:
            self.git("add", ".")
            self.git("commit", "--quiet", "--allow-empty", "--message", "x")

    @property
    def validator(self) -> dict[str, Any]:
        """The first validator, to be changed before `save`."""
        validator: dict[str, Any] = self.configuration["validators"][0]
        return validator


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path)
    repository.save()
    repository.git("checkout", "--quiet", "-b", "change")
    return repository


@pytest.fixture
def review(repository: Repository, typed_anywhere: Typed, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(repository.folder)
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")

    def run(*words: str) -> tuple[int, str, str]:
        ended = typed_anywhere("review", *words)
        return ended.code, ended.out, ended.err

    return run


def test_good_stack_is_not_refused(review: Command) -> None:
    code, shown, _ = review("--stack", "prod")
    assert code == 0
    assert shown.startswith("## Review of stack `prod`: nothing refused\n")


def test_what_changed_since_the_base_is_told(repository: Repository, review: Command) -> None:
    repository.validator["backup"]["cron"] = "0 */3 * * *"
    repository.validator["backup"]["volume"]["retention"] = {"keep": 10}
    repository.save()
    code, shown, _ = review("--stack", "organization/prod", "--base", "main")
    assert code == 0
    assert "- recovery point 4 h -> 3 h\n" in shown
    assert "- volume 504 GiB -> 720 GiB: 10 x 60 GiB, 20 % headroom\n" in shown


def test_data_loss_is_refused(repository: Repository, review: Command) -> None:
    repository.validator["backup"]["volume"]["storageClass"] = "gp2"
    repository.save(commit=False)
    code, shown, _ = review("--stack", "prod", "--base", "main")
    assert code == 2
    assert "**REPLACES the backup volume (storage class gp3 -> gp2): data loss, refused**" in shown


def test_what_others_merged_meanwhile_is_no_change_of_this_branch(repository: Repository, review: Command) -> None:
    repository.git("checkout", "--quiet", "main")
    repository.validator["backup"]["cron"] = "0 */2 * * *"
    repository.save()
    repository.git("checkout", "--quiet", "change")
    code, shown, _ = review("--stack", "prod", "--base", "main")
    assert code == 0
    assert "Nothing of what is backed up and kept." in shown


def test_stack_that_is_absent_in_the_base_is_new(repository: Repository, review: Command) -> None:
    repository.stack_file.rename(repository.stack_file.with_name("Pulumi.new.yaml"))
    code, shown, _ = review("--stack", "new", "--base", "main")
    assert code == 0
    assert "it has no Pulumi.new.yaml, so that everything is new" in shown


def test_base_that_cannot_be_read_is_said(repository: Repository, review: Command) -> None:
    del repository.validator["partyHint"]
    repository.save()
    repository.git("branch", "broken")
    repository.validator["partyHint"] = "acme-validator-1"
    repository.save()
    _, shown, _ = review("--stack", "prod", "--base", "broken")
    assert "cannot be read (validators\\[0\\].partyHint: is required, and is missing)" in shown


def test_unknown_base_is_refused(review: Command) -> None:
    code, shown, error = review("--stack", "prod", "--base", "origin/nowhere")
    assert (code, shown) == (2, "")
    assert "--base 'origin/nowhere' is no commit, branch or tag" in error
    assert "git fetch origin" in error


def test_base_needs_a_repository(repository: Repository, review: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository.folder / ".git").rename(repository.folder / "elsewhere")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.folder.parent))
    code, _, error = review("--stack", "prod", "--base", "main")
    assert code == 2
    assert "is in no git repository" in error


def test_unknown_stack_is_refused_with_those_that_are_there(review: Command) -> None:
    code, _, error = review("--stack", "production")
    assert code == 2
    assert "Pulumi.production.yaml is missing" in error
    assert error.rstrip().endswith("has prod")


def test_folder_without_a_project_is_refused(review: Command, tmp_path_factory: pytest.TempPathFactory) -> None:
    code, _, error = review("--stack", "prod", "--folder", str(tmp_path_factory.mktemp("other")))
    assert code == 2
    assert "there is no Pulumi.yaml" in error


def test_broken_stack_file_is_told_in_the_page(repository: Repository, review: Command) -> None:
    repository.validator["backup"]["cron"] = "0 0 * * 7"
    repository.configuration["enviroment"] = "production"
    repository.save()
    code, shown, error = review("--stack", "prod")
    assert (code, error) == (2, "")
    assert "- `validators[0].backup.cron`: `0 0 * * 7` is no cron expression that Kubernetes accepts" in shown
    assert "- `enviroment`: is an unknown field (environment is meant?);" in shown


def test_encrypted_values_are_tolerated_and_never_shown(repository: Repository, review: Command) -> None:
    sealed = {"secure": "v1:AAAAAAAA:BBBBBBBB"}
    repository.validator["databases"]["server"]["host"] = sealed
    repository.validator["backup"]["bucket"]["kmsKey"] = sealed
    repository.others = {"kubernetes:kubeconfig": sealed, "aws:secretKey": "plain-and-hidden"}
    repository.save()
    code, shown, error = review("--stack", "prod", "--base", "main", "--cluster")
    assert code == 0
    for path in ("validators[0].databases.server.host", "validators[0].backup.bucket.kmsKey"):
        assert f"`{path}`" in next(line for line in shown.splitlines() if line.startswith("Encrypted, not looked at:"))
    assert "database server `postgres` -> `(encrypted)`" in shown
    for hidden in ("v1:", "AAAA", "plain-and-hidden", "encrypted-"):
        assert hidden not in shown + error


def test_cluster_that_cannot_be_reached_is_said(review: Command) -> None:
    code, shown, _ = review("--stack", "prod", "--cluster")
    assert code == 0
    assert "Not looked up in the cluster: no usable Kubernetes configuration" in shown


def test_preview_of_the_engine_is_read(repository: Repository, review: Command) -> None:
    (repository.folder / "preview.json").write_text(
        (Path(__file__).parents[1] / "goldens" / "reviews" / "preview.json").read_text()
    )
    code, shown, _ = review("--stack", "prod", "--preview-json", "preview.json")
    assert code == 2
    assert "REPLACES the backup volume `acme-backups` (spec.storageClassName): data loss" in shown
    assert "Resources: 1 to create, 1 to update, 1 to replace, 1 to delete." in shown


@pytest.mark.parametrize(
    "text",
    [None, "", "Previewing update (prod):", json.dumps(["steps"]), json.dumps({"steps": [1]}), '{"diagnostics": [[]]}'],
)
def test_what_is_no_preview_is_refused(repository: Repository, review: Command, text: str | None) -> None:
    if text is not None:
        (repository.folder / "preview.json").write_text(text)
    code, _, error = review("--stack", "prod", "--preview-json", "preview.json")
    assert code == 2
    assert "write it with pulumi preview --json" in error


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> MemoryRecords:
    """Records of a cluster that tells nothing else."""
    kept = MemoryRecords()
    monkeypatch.setattr(review_module, "connect", lambda *_: None)
    monkeypatch.setattr(review_module, "observe", lambda *_: (ClusterFacts(), ()))
    monkeypatch.setattr(backup_claims, "requested_sizes", lambda *_: {})
    monkeypatch.setattr(review_module, "ClusterRecords", lambda _cluster: kept)
    return kept


def test_latest_is_looked_up_in_the_cluster(repository: Repository, review: Command, records: MemoryRecords) -> None:
    repository.configuration["restore"] = {"validator": "acme", "set": "latest", "requestId": "r1"}
    repository.save()
    _, shown, _ = review("--stack", "prod", "--cluster")
    assert (
        "**by its records there is no proven backup set; no proven one is available**; the Job looks in the volume"
        in shown
    )

    newest = captured(RecordKind.BACKUP_SET, datetime.now(UTC) - timedelta(hours=3), "volume")
    for record in (newest, captured(RecordKind.BACKUP_SET, datetime.now(UTC), "bucket")):
        records.save(record)
    _, shown, _ = review("--stack", "prod", "--cluster")
    assert f"`acme` goes back to the backup set `{newest.identifier}` (taken" in shown
    assert "the latest one at this moment" in shown

    done = {"kind": RecordKind.RESTORE, "identifier": "r1", "details": {"set": newest.identifier}}
    records.save(newest.model_copy(update=done))
    _, shown, _ = review("--stack", "prod", "--cluster")
    assert f"restore `r1` of `acme` is done, with `{newest.identifier}`; it runs once" in shown
