"""Leases of the real API server: one run at a time, free at once when it ends, later when it was killed."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from lightkube import Client, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import Namespace
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.run_lease import ClusterLeases
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from dev import cluster

pytestmark = pytest.mark.cluster


@pytest.fixture
def namespace() -> Iterator[Cluster]:
    """A namespace of the test's own."""
    cluster.up()
    client = Client(KubeConfig.from_file(cluster.kubeconfig_path()))
    name = f"leases-{secrets.token_hex(4)}"
    client.create(Namespace(metadata=ObjectMeta(name=name)))
    try:
        yield Cluster(client, name)
    finally:
        client.delete(Namespace, name)
        client.close()


def test_second_run_is_refused_until_the_first_has_ended(namespace: Cluster) -> None:
    leases = ClusterLeases(namespace)
    with leases.only_run("validator-1") as held:
        held.check()
        with pytest.raises(RefusedError, match="is held by"), leases.only_run("validator-1"):
            pytest.fail("two runs at the same time")
        with leases.only_run("validator-2"):
            pass

    with leases.only_run("validator-1"):
        pass


def test_lease_of_a_killed_run_runs_out(namespace: Cluster) -> None:
    killed = ClusterLeases(namespace, timedelta(seconds=2)).only_run("validator-1")
    held = killed.__enter__()
    held.stop_renewing()  # type: ignore[attr-defined]  # as death does

    @retry(retry=retry_if_exception_type(RefusedError), stop=stop_after_delay(30), wait=wait_fixed(0.2), reraise=True)
    def take() -> None:
        with ClusterLeases(namespace).only_run("validator-1"), pytest.raises(CatalyxDrError, match="not be renewed"):
            held.check()

    take()


def test_renewed_lease_stays(namespace: Cluster) -> None:
    with ClusterLeases(namespace, timedelta(seconds=1)).only_run("validator-1") as held:
        first = namespace.client.get(Lease, "catalyx-dr-validator-1", namespace=namespace.namespace)

        @retry(stop=stop_after_delay(30), wait=wait_fixed(0.1), reraise=True)
        def renewed() -> None:
            now = namespace.client.get(Lease, "catalyx-dr-validator-1", namespace=namespace.namespace)
            assert now.spec is not None
            assert first.spec is not None
            assert now.spec.renewTime is not None
            assert first.spec.renewTime is not None
            assert now.spec.renewTime > first.spec.renewTime

        renewed()
        held.check()


def test_lease_that_ran_out_while_nobody_took_it_is_renewed_when_it_counts(namespace: Cluster) -> None:
    with ClusterLeases(namespace, timedelta(seconds=1)).only_run("validator-1") as held:
        held.stop_renewing()  # type: ignore[attr-defined]  # as an API server does that is away
        _wait_until_late(namespace)

        held.check()


def test_renewal_whose_answer_was_lost_is_one(namespace: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = namespace.client.replace

    def sent_twice(lease: Lease) -> Lease:
        """The second is refused, since the first was done."""
        replace(lease)
        return replace(lease)

    with ClusterLeases(namespace, timedelta(seconds=1)).only_run("validator-1") as held:
        held.stop_renewing()  # type: ignore[attr-defined]
        _wait_until_late(namespace)
        with monkeypatch.context() as patch:
            patch.setattr(namespace.client, "replace", sent_twice)
            held.check()
        _wait_until_late(namespace)
        held.check()


@retry(stop=stop_after_delay(30), wait=wait_fixed(0.1), reraise=True)
def _wait_until_late(namespace: Cluster) -> None:
    spec = namespace.client.get(Lease, "catalyx-dr-validator-1", namespace=namespace.namespace).spec
    assert spec is not None
    assert spec.renewTime is not None
    assert datetime.now(UTC) - spec.renewTime > timedelta(seconds=1)
