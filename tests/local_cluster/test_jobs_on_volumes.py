"""Backup Jobs as a stack declares them, with their roles, on real volumes: growth before the dump, and snapshots."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lightkube import Client, KubeConfig
from lightkube.resources.core_v1 import ConfigMap

from catalyx_dr.adapters import jobs
from catalyx_dr.adapters.cluster import connect
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from dev.cluster import kubeconfig_path
from dev.cluster.lifecycle import external_kubeconfig
from tests.live_stack import declare_live
from tests.local_cluster.database_servers import PASSWORD, Servers
from tests.local_cluster.pods import Kubectl, namespace_of

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(external_kubeconfig() is not None, reason="needs the local cluster's driver"),
]
WITHOUT: dict[str, Any] = {"identityDump": None, "verification": None, "drill": None, "encryption": None}


@pytest.fixture(scope="module")
def client(kubectl: Kubectl) -> Iterator[Client]:
    with closing(Client(KubeConfig.from_file(str(kubeconfig_path())))) as client:
        yield client


@pytest.fixture(scope="module")
def servers(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with closing(connect(namespace_of(kubectl), str(kubeconfig_path()))) as cluster:
        servers = Servers(kubectl, cluster, Path(tmp_path_factory.mktemp("servers")), both=True)
        servers.make()
        secret = ("create", "secret", "generic", "postgres-secrets", f"--from-literal=postgresPassword={PASSWORD}")
        assert kubectl(*secret).returncode == 0
        yield servers


def databases(servers: Servers, storage: str) -> dict[str, Any]:
    volume = {"claim": "pg-data-both-pg-0", "statefulSet": "both-pg"}
    return {
        "server": {"host": servers.address("both-pg"), "volume": volume},
        "validatorApp": {"name": "cantonnet_validator", "schema": "validator", "storage": storage},
        "participant": {"name": "participant", "schema": "participant", "storage": storage},
    }


def run_backup(servers: Servers, name: str) -> Record:
    """Run the CronJob's Job now; its log is shown when it fails."""
    said: list[str] = []
    jobs.submit_from_cron_job(servers.cluster, "acme-backup", name)
    state = jobs.follow(servers.cluster, name, said.append)
    assert state is jobs.JobState.SUCCEEDED, "\n".join(said)
    return ClusterRecords(servers.cluster).list("acme", RecordKind.BACKUP_SET)[0]


def test_the_job_lets_its_volume_grow_when_more_is_declared(servers: Servers, client: Client) -> None:
    namespace = servers.cluster.namespace
    volume = {"storageClass": "standard", "retention": {"keep": 2}}
    spec = declare_live(client, namespace, databases=databases(servers, "200Mi"), backup={"volume": volume}, **WITHOUT)
    first = run_backup(servers, "first")
    assert first.locations == ("volume",)
    assert "volume" not in first.details

    larger = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    for role in ("validatorApp", "participant"):
        larger["databases"][role]["storage"] = "400Mi"
    patch = {"data": {"validator.json": json.dumps(larger)}}
    client.patch(ConfigMap, "catalyx-dr-acme", patch, namespace=namespace)
    second = run_backup(servers, "second")
    # 2 x 800 Mi, and 20 % headroom, to the byte.
    assert second.details["volume"] == {"from": "960Mi", "to": "1920Mi", "why": "2 x 800 MiB and 20 % headroom"}
    found = servers.kubectl("get", "pvc", "acme-backups", "-o=jsonpath={.status.capacity.storage}").stdout
    assert found == "1920Mi"
    assert "attention" not in second.message


def test_the_job_takes_snapshots(servers: Servers, client: Client) -> None:
    snapshots = {"method": "snapshot", "snapshot": {"volumeSnapshotClass": "standard"}}
    declare_live(client, servers.cluster.namespace, databases=databases(servers, "200Mi"), backup=snapshots, **WITHOUT)
    record = run_backup(servers, "third")
    assert record.status is RecordStatus.COMPLETED
    assert record.locations == ("snapshot",)
    assert [found.name for found in servers.store.found()] == record.details["snapshots"]
