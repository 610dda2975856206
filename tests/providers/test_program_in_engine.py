"""The program itself in the real engine against a real API server: one validator protected, changed, destroyed."""

import json
import re
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube import Client
from lightkube.resources.batch_v1 import CronJob
from lightkube.resources.core_v1 import ConfigMap, PersistentVolumeClaim

from tests.components.rendering import PROJECT_FOLDER, stack_file
from tests.engine.conftest import NewProject
from tests.engine.pulumi_project import PulumiProject, changed_properties

pytestmark = pytest.mark.cluster
CLAIM = "acme-backups"


class Stack:
    """A copy of the program whose stack file is the local one, in a namespace of the test's own, without a bucket."""

    def __init__(self, project: PulumiProject, namespace: str, kubeconfig: Path) -> None:
        self.project = project
        settings = yaml.safe_load((PROJECT_FOLDER / "Pulumi.yaml").read_text())
        project.write("Pulumi.yaml", yaml.safe_dump(settings | {"name": "under-test"}))
        shutil.copy(PROJECT_FOLDER / "__main__.py", project.folder)
        (project.folder / "stacks").mkdir()
        (project.folder / "Pulumi.dev.yaml").rename(project.folder / "stacks" / "Pulumi.dev.yaml")
        self._kubeconfig = kubeconfig
        self.configuration = deepcopy(stack_file("local"))
        self.validator["namespace"] = namespace
        del self.validator["backup"]["bucket"]
        self.save()

    @property
    def validator(self) -> dict[str, Any]:
        """The validator, to be changed before `save`."""
        validator: dict[str, Any] = self.configuration["validators"][0]
        return validator

    def save(self) -> None:
        """Write the stack file; what the engine keeps in it stays."""
        path = self.project.folder / "stacks" / "Pulumi.dev.yaml"
        document = yaml.safe_load(path.read_text()) or {}
        document["config"] = {f"under-test:{key}": value for key, value in self.configuration.items()}
        document["config"]["kubernetes:kubeconfig"] = str(self._kubeconfig)
        path.write_text(yaml.safe_dump(document))


@pytest.fixture
def stack(new_project: NewProject, kubeconfig: Path, namespace: str) -> Stack:
    return Stack(new_project(""), namespace, kubeconfig)


def test_a_validator_is_protected_changed_in_place_and_destroyed_without_its_backups(
    stack: Stack, client: Client, namespace: str
) -> None:
    stack.project.up()
    cron_job = client.get(CronJob, "acme-backup", namespace=namespace)
    assert cron_job.spec is not None
    assert cron_job.spec.timeZone == "Etc/UTC"
    stack.project.succeed("up", "--yes", "--skip-preview", "--expect-no-changes")

    stack.validator["backup"]["cron"] = "30 5 * * *"
    stack.validator["backup"]["volume"]["retention"] = {"keep": 4}
    stack.save()
    steps = stack.project.previewed_steps()
    assert {name: step["op"] for name, step in steps.items()} == {"acme-backup": "update", "catalyx-dr-acme": "update"}
    assert list(changed_properties(steps["acme-backup"])) == ["spec.schedule"]
    stack.project.up()
    config_map = client.get(ConfigMap, "catalyx-dr-acme", namespace=namespace)
    assert json.loads((config_map.data or {})["validator.json"])["backup"]["volume"]["retention"]["keep"] == 4

    grown = {"spec": {"resources": {"requests": {"storage": "4Gi"}}}}
    client.patch(PersistentVolumeClaim, CLAIM, grown, namespace=namespace)
    stack.project.succeed("up", "--yes", "--skip-preview", "--expect-no-changes")

    shown = stack.project.succeed("destroy", "--yes")
    assert re.search(rf"acme: claim {namespace}/{CLAIM}; .* delete\[retain\]", shown)
    assert list(client.list(CronJob, namespace=namespace)) == []
    uid = claim_of(client, namespace).metadata.uid  # type: ignore[union-attr]

    stack.project.up()
    claim = claim_of(client, namespace)
    assert claim.metadata is not None
    assert claim.metadata.uid == uid
    assert claim.spec is not None
    assert claim.spec.resources is not None
    assert claim.spec.resources.requests == {"storage": "4Gi"}


def claim_of(client: Client, namespace: str) -> PersistentVolumeClaim:
    return client.get(PersistentVolumeClaim, CLAIM, namespace=namespace)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {
                "identityImport": {
                    "validator": "acme",
                    "dump": "latest",
                    "requestId": "r1",
                    "newParticipantIdentifier": "acme-2",
                }
            },
            "there is no proven identity dump",
        ),
        ({"restore": {"validator": "other", "set": "latest", "requestId": "r1"}}, "restore.validator"),
        ({"environment": "prod"}, "environment"),
    ],
)
def test_bad_input_stops_before_any_resource(
    stack: Stack, client: Client, namespace: str, change: dict[str, Any], message: str
) -> None:
    stack.configuration |= change
    stack.save()
    ended = stack.project.run("up", "--yes", "--skip-preview")
    assert ended.returncode != 0
    assert message in ended.stdout
    assert "Traceback" not in ended.stdout
    assert list(client.list(CronJob, namespace=namespace)) == []


def test_set_that_no_record_tells_of_is_looked_for_by_the_job_which_refuses(stack: Stack) -> None:
    stack.configuration["restore"] = {"validator": "acme", "set": "latest", "requestId": "r1"}
    stack.save()
    ended = stack.project.run("up", "--yes", "--skip-preview")
    assert ended.returncode != 0
    assert "nothing was touched, because preflight refused" in ended.stdout
    assert "there is no proven backup set" in ended.stdout
