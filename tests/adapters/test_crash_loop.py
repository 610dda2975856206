"""A Deployment of the real cluster whose container only starts and ends: the wait for it ends early, and says why."""

from datetime import timedelta

import pytest
from lightkube import Client, codecs

from catalyx_dr.adapters import workloads
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.target import Workload
from tests.engine.conftest import client, kubeconfig, namespace
from tests.live_stack import AGENT_IMAGE

__all__ = ["client", "kubeconfig", "namespace"]
pytestmark = pytest.mark.cluster
_CRASHING, _WAITING = Workload(name="participant"), Workload(name="validator-app")
_PROGRAM = "print('login with password=correct-horse'); raise SystemExit(1)"


def deploy(client: Client, namespace: str, workload: Workload, program: str) -> None:
    labels = {"app": workload.name}
    container = {"name": "main", "image": AGENT_IMAGE, "command": ["python", "-u", "-c", program]}
    container["readinessProbe"] = {"exec": {"command": ["false"]}}  # type: ignore[assignment]
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    deployment = codecs.from_dict(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": workload.name, "namespace": namespace},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }
    )
    client.create(deployment)


def _pod_in(told: str) -> str:
    return told.partition(" of pod ")[2].partition(" ")[0]


def test_wait_ends_with_the_reason_though_another_workload_only_waits(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workloads, "HOPELESS_RESTARTS", 1)
    deploy(client, namespace, _CRASHING, _PROGRAM)
    deploy(client, namespace, _WAITING, "import time; time.sleep(3600)")
    cluster = Cluster(client, namespace)

    with pytest.raises(UnprovenError) as caught:
        workloads.wait_until_ready(cluster, (_WAITING, _CRASHING), timedelta(minutes=3))

    told = str(caught.value)
    assert told.startswith("deployment/participant never became ready: container main of pod participant-")
    assert "its last run ended with Error, exit code 1" in told
    assert told.endswith(f"; read kubectl logs -n {namespace} {_pod_in(told)} -c main --previous")
    assert "correct-horse" not in told
    assert workloads.restarts(cluster, (_CRASHING,)) >= 1
    assert workloads.restarts(cluster, (_WAITING, Workload(name="not-there"))) == 0
