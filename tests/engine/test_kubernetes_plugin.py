"""The stand-in of the Kubernetes plugin, through the real engine against a real API server."""

import base64
from pathlib import Path

import pytest
from lightkube import ApiError, Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import CronJob
from lightkube.resources.core_v1 import ConfigMap, PersistentVolumeClaim, Secret
from lightkube.types import PatchType

from tests.engine.conftest import NewProject
from tests.engine.pulumi_project import PulumiProject, changed_properties

pytestmark = pytest.mark.cluster

PROGRAM = """
import pulumi
import pulumi_kubernetes as kubernetes

config = pulumi.Config()
place = {"namespace": config.require("namespace")}

kubernetes.core.v1.Secret("credentials", metadata=place | {"name": "credentials"},
    string_data={"password": config.require_secret("password")})
rules = kubernetes.core.v1.ConfigMap("rules", metadata=place, data={"validator.json": config.get("rules") or "{}"})
kubernetes.core.v1.PersistentVolumeClaim("backups", metadata=place | {"name": "backups"},
    spec={"accessModes": ["ReadWriteOnce"], "storageClassName": config.get("class") or "standard",
          "resources": {"requests": {"storage": "1024Mi"}}},
    opts=pulumi.ResourceOptions(ignore_changes=["spec.resources.requests.storage"]))
kubernetes.batch.v1.CronJob("backup", metadata=place | {"name": "backup"}, spec={
    "schedule": config.get("schedule") or "0 */4 * * *", "timeZone": "Etc/UTC", "suspend": True,
    "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
        {"name": "agent", "image": "agent", "resources": {"requests": {"cpu": "1000m"}},
         "env": [{"name": "LEVEL", "value": config.get("level") or "info"}]}]}}}}})
"""
HIDDEN = "correct horse"


@pytest.fixture
def project(new_project: NewProject, kubeconfig: Path, namespace: str) -> PulumiProject:
    """The program in its first state, with all its objects in the cluster."""
    project = new_project(PROGRAM, namespace=namespace, kubernetes__kubeconfig=str(kubeconfig))
    project.succeed("config", "set", "--secret", "password", HIDDEN)
    project.up()
    return project


def test_a_preview_writes_nothing(new_project: NewProject, kubeconfig: Path, namespace: str, client: Client) -> None:
    project = new_project(PROGRAM, namespace=namespace, kubernetes__kubeconfig=str(kubeconfig))
    project.succeed("config", "set", "--secret", "password", HIDDEN)
    assert {step["op"] for step in project.previewed_steps().values()} == {"create"}
    assert list(client.list(CronJob, namespace=namespace)) == []
    assert list(client.list(PersistentVolumeClaim, namespace=namespace)) == []


def test_a_second_run_changes_nothing_and_a_changed_field_shows_as_just_that(
    project: PulumiProject, client: Client, namespace: str
) -> None:
    assert project.previewed_steps() == {}
    assert "unchanged" in project.up()

    project.configure(schedule="30 5 * * *", level="debug")
    steps = project.previewed_steps()
    assert list(steps) == ["backup"]
    assert steps["backup"]["op"] == "update"
    assert changed_properties(steps["backup"]) == {
        "spec.schedule": "update",
        "spec.jobTemplate.spec.template.spec.containers[0].env[0].value": "update",
    }
    assert schedule_of(client, namespace) == "0 */4 * * *"
    project.up()
    assert schedule_of(client, namespace) == "30 5 * * *"
    assert project.previewed_steps() == {}


def test_what_the_api_server_refuses_fails_the_preview(project: PulumiProject) -> None:
    project.configure(schedule="61 * * * *")
    refused = project.run("preview")
    assert refused.returncode != 0
    assert "spec.schedule" in refused.stdout


def test_secrets_are_in_the_cluster_and_never_plain_in_state_or_output(
    project: PulumiProject, client: Client, namespace: str
) -> None:
    encoded = base64.b64encode(HIDDEN.encode()).decode()
    data = client.get(Secret, "credentials", namespace=namespace).data
    assert data == {"password": encoded}
    texts = [project.succeed("preview", "--diff"), project.succeed("stack", "export"), *project.state_files()]
    assert len(texts) > len(["preview", "export"])
    for text in texts:
        assert HIDDEN not in text
        assert encoded not in text


def test_an_immutable_field_replaces_the_object(project: PulumiProject, client: Client, namespace: str) -> None:
    old = next(iter(config_maps(client, namespace)))
    project.configure(rules='{"changed": true}', **{"class": "another"})
    steps = project.previewed_steps()
    assert steps["rules"]["replaceReasons"] == ['data["validator.json"]']
    assert changed_properties(steps["rules"]) == {'data["validator.json"]': "update-replace"}
    assert changed_properties(steps["backups"]) == {"spec.storageClassName": "update-replace"}

    project.configure(**{"class": "standard"})
    project.up()
    new = config_maps(client, namespace)
    assert old not in new
    assert len(new) == 1

    project.configure(rules="{}", kubernetes__enableConfigMapMutable="true")
    assert project.previewed_steps()["rules"]["op"] == "update"


def test_what_others_change_is_found_by_refresh_and_their_fields_are_not_taken(
    project: PulumiProject, client: Client, namespace: str
) -> None:
    grown = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    client.patch(
        PersistentVolumeClaim, "backups", grown, namespace=namespace, patch_type=PatchType.MERGE, field_manager="job"
    )
    client.delete(Secret, "credentials", namespace=namespace)
    project.succeed("refresh", "--yes", "--skip-preview")
    assert list(project.previewed_steps()) == ["credentials"]
    project.up()
    claim = client.get(PersistentVolumeClaim, "backups", namespace=namespace)
    assert claim.spec is not None
    assert claim.spec.resources is not None
    assert claim.spec.resources.requests == {"storage": "3Gi"}

    client.patch(
        CronJob,
        "backup",
        {"spec": {"schedule": "1 1 * * *"}},
        namespace=namespace,
        patch_type=PatchType.MERGE,
        field_manager="person",
    )
    project.configure(schedule="2 2 * * *")
    conflict = project.run("up", "--yes", "--skip-preview")
    assert conflict.returncode != 0
    assert "person" in conflict.stdout
    assert "pulumi.com/patchForce" in conflict.stdout


def test_destroy_waits_until_all_is_gone(project: PulumiProject, client: Client, namespace: str) -> None:
    project.succeed("destroy", "--yes", "--skip-preview")
    with pytest.raises(ApiError, match="not found"):
        client.get(PersistentVolumeClaim, "backups", namespace=namespace)
    assert config_maps(client, namespace) == []
    assert project.processes() == []


def test_an_existing_object_is_not_taken_over(project: PulumiProject, client: Client, namespace: str) -> None:
    client.create(ConfigMap(metadata=ObjectMeta(name="theirs", namespace=namespace), data={"a": "b"}))
    project.write(
        "__main__.py",
        PROGRAM + 'kubernetes.core.v1.ConfigMap("t", metadata=place | {"name": "theirs"}, data={"a": "c"})\n',
    )
    refused = project.run("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert "already exists" in refused.stdout
    assert client.get(ConfigMap, "theirs", namespace=namespace).data == {"a": "b"}


def schedule_of(client: Client, namespace: str) -> str:
    spec = client.get(CronJob, "backup", namespace=namespace).spec
    assert spec is not None
    return spec.schedule


def config_maps(client: Client, namespace: str) -> list[str]:
    """Names of the namespace's own ConfigMaps; each namespace also gets one of the cluster."""
    names = [found.metadata.name for found in client.list(ConfigMap, namespace=namespace) if found.metadata]
    return [name for name in names if name and name != "kube-root-ca.crt"]
