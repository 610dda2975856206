"""A throw-away server is its StatefulSet's pod on another claim, and nobody takes it for the server."""

from typing import Any

import pytest
from lightkube.resources.apps_v1 import StatefulSet
from lightkube.resources.core_v1 import Pod

from catalyx_dr.adapters.trial_server import server_of, trial_pod
from catalyx_dr.model.databases import DatabaseServer
from catalyx_dr.model.errors import RefusedError

POD: dict[str, Any] = {
    "hostname": "pg",
    "serviceAccountName": "pg",
    "affinity": {"podAntiAffinity": {"x": 1}, "nodeAffinity": {"y": 2}},
    "containers": [{"name": "postgres", "image": "postgres:17", "ports": [{"containerPort": 5433}]}],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


def stateful_set(*templates: str, volumes: list[dict[str, Any]] | None = None) -> StatefulSet:
    return StatefulSet.from_dict(  # type: ignore[return-value]
        {
            "metadata": {"name": "pg"},
            "spec": {
                "serviceName": "pg",
                "selector": {"matchLabels": {"app": "pg"}},
                "template": {
                    "metadata": {"labels": {"app": "pg"}},
                    "spec": POD | {"volumes": POD["volumes"] + (volumes or [])},
                },
                "volumeClaimTemplates": [{"metadata": {"name": name}, "spec": {}} for name in templates],
            },
        }
    )


def test_it_is_the_pod_of_the_server_on_the_restored_claim() -> None:
    pod = trial_pod(stateful_set("pg-data"), "pg-data-pg-0", "restored", "acme")
    assert pod["spec"]["volumes"] == [
        {"name": "pg-data", "persistentVolumeClaim": {"claimName": "restored"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    assert pod["spec"]["containers"][0]["image"] == "postgres:17"
    assert pod["spec"]["serviceAccountName"] == "pg"


def test_nobody_takes_it_for_the_server() -> None:
    pod = trial_pod(stateful_set("pg-data"), "pg-data-pg-0", "restored", "acme")
    assert "app" not in pod["metadata"]["labels"]
    assert "hostname" not in pod["spec"]
    assert set(pod["spec"]["affinity"]) == {"nodeAffinity"}
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_a_claim_that_the_pod_names_itself_is_replaced_too() -> None:
    named = [{"name": "data", "persistentVolumeClaim": {"claimName": "own"}}]
    pod = trial_pod(stateful_set(volumes=named), "own", "restored", "acme")
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "restored"}} in pod["spec"]["volumes"]


@pytest.mark.parametrize(
    ("templates", "mounted"), [(("pg-data", "wal"), "pg-data-pg-0, wal-pg-0"), ((), "none"), (("other",), "other-pg-0")]
)
def test_a_server_that_keeps_data_elsewhere_too_is_refused(templates: tuple[str, ...], mounted: str) -> None:
    with pytest.raises(RefusedError, match=f"mounts these claims: {mounted}; .* only when pg-data-pg-0 is the one"):
        trial_pod(stateful_set(*templates), "pg-data-pg-0", "restored", "acme")


def test_the_server_is_reached_at_its_own_address_and_port() -> None:
    pod = Pod.from_dict({"spec": {"containers": POD["containers"]}, "status": {"podIP": "10.0.0.9"}})
    declared = DatabaseServer(host="pg", port=5432, ssl_mode="verify-full")
    found = server_of(pod, declared)  # type: ignore[arg-type]
    assert (found.host, found.port, found.ssl_mode) == ("10.0.0.9", 5433, "verify-ca")
