"""A preview needs no cluster, and says that it had none; a real run refuses."""

from pathlib import Path

from tests.engine.conftest import NewProject

PROGRAM = """
import pulumi_kubernetes as kubernetes

kubernetes.batch.v1.CronJob("backup", metadata={"name": "backup"}, spec={"schedule": "0 1 * * *", "jobTemplate": {
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}}}}})
kubernetes.core.v1.Secret("token", string_data={"token": "not for the eye"})
"""
UNREACHABLE = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: not-for-the-eye-either}}]
contexts: [{name: c, context: {cluster: c, user: u, namespace: there}}]
current-context: c
"""


def test_preview_works_and_up_refuses_without_a_cluster(new_project: NewProject, tmp_path: Path) -> None:
    project = new_project(PROGRAM)
    project.environment["KUBECONFIG"] = str(tmp_path / "absent")
    preview = project.succeed("preview", "--diff")
    assert "+ 3 to create" in preview

    project.succeed("config", "set", "--secret", "kubernetes:kubeconfig", UNREACHABLE)
    preview = project.succeed("preview", "--diff")
    assert 'namespace: "there"' in preview
    refused = project.run("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert "127.0.0.1:1" in refused.stdout
    for text in (preview, refused.stdout, *project.state_files()):
        assert "not for the eye" not in text
        assert "not-for-the-eye-either" not in text
