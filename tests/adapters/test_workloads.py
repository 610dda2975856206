"""Waiting for the end of a workload's pods, while somebody else may have other plans for it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from catalyx_dr.adapters import waiting, workloads
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.model.errors import CatalyxDrError, UnreachableError
from catalyx_dr.model.target import Workload

_APP = Workload(name="validator-app")
_SOON = timedelta(seconds=0.05)


class PlayedApi:
    """One Deployment; `look` is called at each look at its pods and tells how many there are."""

    def __init__(self, look: Callable[[], int]) -> None:
        self.replicas = 0
        self._look = look

    def get(self, _kind: type, name: str, namespace: str) -> Deployment:
        spec = DeploymentSpec(
            selector=LabelSelector(matchLabels={"app": name}), template=PodTemplateSpec(), replicas=self.replicas
        )
        return Deployment(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec)

    def list(self, _kind: type, namespace: str, labels: dict[str, str]) -> list[Pod]:
        return [Pod(metadata=ObjectMeta(namespace=namespace, labels=labels))] * self._look()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_POLL_SECONDS", 0.001)


def wait(api: PlayedApi) -> None:
    workloads.wait_until_gone(Cluster(api, "canton"), _APP, _SOON)  # type: ignore[arg-type]


def test_wait_ends_with_the_last_pod() -> None:
    left = [2, 1, 0]
    wait(PlayedApi(lambda: left.pop(0)))
    assert left == []


def test_pods_that_stay_are_told_when_patience_is_over() -> None:
    with pytest.raises(UnreachableError, match="pods of deployment/validator-app are still there"):
        wait(PlayedApi(lambda: 1))


def test_workload_that_somebody_scales_up_again_ends_the_wait_at_once() -> None:
    def scaled_up_again() -> int:
        api.replicas = 1
        return 1

    api = PlayedApi(scaled_up_again)
    with pytest.raises(CatalyxDrError, match=r"was scaled up again while it had to stand still; pause what does that"):
        wait(api)
