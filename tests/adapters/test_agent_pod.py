from datetime import timedelta

from catalyx_dr.adapters.agent_pod import AgentPod
from catalyx_dr.model.environment_spec import AgentImage
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.spec import SecretKey
from tests.components.specs import validator_spec

AGENT = AgentImage(image="registry.example/agent:1")


def pod(**changes: object) -> AgentPod:
    settings: dict[str, object] = {
        "spec": validator_spec(),
        "agent": AGENT,
        "arguments": ("backup",),
        "service_account": "acme-backup",
        "secrets": (),
    }
    return AgentPod(**(settings | changes))  # type: ignore[arg-type]


def pod_spec(agent_pod: AgentPod) -> dict[str, object]:
    return agent_pod.job_spec(timedelta(hours=1))["template"]["spec"]  # type: ignore[no-any-return]


def test_pod_is_hardened() -> None:
    spec = pod_spec(pod())
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = spec["containers"][0]  # type: ignore[index]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert spec["enableServiceLinks"] is False
    assert "env" not in container


def test_secrets_are_files_grouped_by_secret_and_missing_ones_do_not_hold_the_pod_back() -> None:
    keys = (SecretKey(name="a", key="one"), SecretKey(name="a", key="two"), SecretKey(name="b", key="one"))
    sources = pod_spec(pod(secrets=keys))["volumes"][0]["projected"]["sources"]  # type: ignore[index]
    assert sources[0]["configMap"]["name"] == "catalyx-dr-acme"
    assert [source["secret"] for source in sources[1:]] == [
        {
            "name": "a",
            "items": [{"key": "one", "path": "secrets/a/one"}, {"key": "two", "path": "secrets/a/two"}],
            "optional": True,
        },
        {"name": "b", "items": [{"key": "one", "path": "secrets/b/one"}], "optional": True},
    ]


def test_volume_and_scratch_only_as_asked() -> None:
    without = pod_spec(pod())
    assert {volume["name"] for volume in without["volumes"]} == {"configuration", "scratch", "tmp"}  # type: ignore[attr-defined]
    spec = pod_spec(pod(backup_volume=True, scratch_limit=Quantity.parse("5Gi")))
    volumes = {volume["name"]: volume for volume in spec["volumes"]}  # type: ignore[attr-defined]
    assert volumes["backups"]["persistentVolumeClaim"] == {"claimName": "acme-backups"}
    assert volumes["scratch"]["emptyDir"] == {"sizeLimit": "5Gi"}


def test_a_failed_run_is_not_repeated_blindly() -> None:
    job = pod().job_spec(timedelta(hours=2))
    assert job["backoffLimit"] == 0
    assert job["activeDeadlineSeconds"] == 7200
    scheduled = pod().scheduled_job_spec(timedelta(hours=2))
    assert scheduled["podFailurePolicy"]["rules"][0]["action"] == "Ignore"
    manifest = pod().job_manifest("acme-restore-1", timedelta(hours=2))
    assert "podFailurePolicy" not in manifest["spec"]
    assert manifest["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "catalyx-dr",
        "catalyx-dr/validator": "acme",
    }


def test_token_only_as_needed() -> None:
    assert pod_spec(pod())["automountServiceAccountToken"] is True
    assert pod_spec(pod(talks_to_cluster=False))["automountServiceAccountToken"] is False
