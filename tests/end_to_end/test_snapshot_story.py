"""In the local cluster: backups by snapshot, rehearsed, restored into new claims by `pulumi up`, switched to and back."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lightkube import Client
from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod

from catalyx_dr.adapters.cluster import Cluster, labels
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.adapters.volume_snapshots import ClusterSnapshots
from catalyx_dr.model.record import Record, RecordKind
from dev import platform
from dev.cluster.lifecycle import external_kubeconfig
from dev.local_stack import VALIDATOR, LocalStack
from dev.platform import NAMESPACE
from tests.end_to_end.declared_stack import DeclaredStack

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(external_kubeconfig() is not None, reason="needs the local cluster's driver"),
]


@dataclass(frozen=True)
class Snapshotted:
    """The local stack with backups by snapshot."""

    stack: DeclaredStack
    api: Client

    def newest(self, kind: RecordKind) -> Record:
        """Record of the last run."""
        return ClusterRecords(Cluster(self.api, NAMESPACE)).list(VALIDATOR, kind)[0]

    def made(self) -> set[str]:
        """Claims and pods of recoveries and drills."""
        ours = dict(labels(VALIDATOR))
        found = [
            *self.api.list(PersistentVolumeClaim, namespace=NAMESPACE, labels=ours),
            *self.api.list(Pod, namespace=NAMESPACE, labels=ours),
        ]
        names = (one.metadata.name if one.metadata else None for one in found)
        return {name for name in names if name and ("-restored-" in name or "-drill-databases" in name)}


@pytest.fixture
def snapshotted(platform_api: Client, tmp_path: Path) -> Iterator[Snapshotted]:
    local = LocalStack(tmp_path)
    local.create()
    declared = local.validator()
    server = declared["databases"]["server"] | {"volume": {"claim": "pg-data-postgres-0", "statefulSet": "postgres"}}
    backup = {
        "method": "snapshot",
        "snapshot": {"volumeSnapshotClass": "standard"},
        "bucket": declared["backup"]["bucket"],
    }
    local.declare_for_validator(databases=declared["databases"] | {"server": server}, backup=backup, drill={})
    stack = DeclaredStack(local, platform_api)
    assert stack.up().code == 0
    yield Snapshotted(stack, platform_api)
    store = ClusterSnapshots(Cluster(platform_api, NAMESPACE), VALIDATOR)
    for one in store.found():
        store.delete(one.name)


def _volume(api: Client) -> str:
    claim = api.get(PersistentVolumeClaim, "pg-data-postgres-0", namespace=NAMESPACE)
    assert claim.spec is not None
    return str(claim.spec.volumeName)


def test_it_is_recovered_from_snapshots_by_up_and_a_switch_and_the_switch_taken_back(snapshotted: Snapshotted) -> None:
    stack, wallet = snapshotted.stack, platform.Wallet(snapshotted.api, NAMESPACE)
    assert stack.catalyx_dr("run", "backup").code == 0
    taken = snapshotted.newest(RecordKind.BACKUP_SET)
    assert taken.locations == ("snapshot",)
    before = wallet.balance()
    wallet.tap("100.0")

    assert stack.catalyx_dr("run", "drill").code == 0
    drill = snapshotted.newest(RecordKind.DRILL)
    assert (drill.details["set"], drill.details["source"]) == (taken.identifier, "snapshot")
    assert snapshotted.made() == set()

    request = f"snapshots-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}"
    stack.declare(
        restore={"validator": VALIDATOR, "source": "snapshot", "set": "latest", "requestId": request},
    )
    planned = stack.pulumi("preview")
    assert planned.code == 0
    assert f"set {taken.identifier}, taken" in planned.told
    assert "from snapshots; it is restored into new claims" in planned.told
    judged = (
        "set-order (app at",
        "storage-class (standard)",
        "space (quota and limits",
        "throw-away-servers (a pod as",
    )
    for verdict in judged:
        assert verdict in planned.told
    checked = stack.catalyx_dr("preflight", "restore", "--source", "snapshot")
    assert checked.code == 0
    for verdict in (
        "set-order: app at",
        "space: quota and limits",
        "throw-away-servers: a pod as",
        "versions: Postgre",
    ):
        assert f"pass: {verdict}" in checked.told

    done = stack.up()
    assert done.code == 0
    assert f"restore acme-{taken.identifier}-databases into claim" in done.told
    assert "the validator runs on its own claims until these are switched to" in done.told
    assert wallet.balance() == before + 100
    assert stack.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes").code == 0

    switch = ("switch-claims", "--request", request)
    lost = _volume(snapshotted.api)
    assert "nothing was changed; write --apply to do it" in stack.catalyx_dr(*switch).told
    assert stack.catalyx_dr(*switch, "--apply").code == 0
    restored = _volume(snapshotted.api)
    assert restored != lost
    assert wallet.balance() == before
    # What the network knows is again what the validator knows, for whoever comes next.
    assert stack.catalyx_dr(*switch, "--back", "--apply").code == 0
    assert _volume(snapshotted.api) == lost
    assert wallet.balance() == before + 100
    snapshotted.api.patch(PersistentVolume, restored, {"spec": {"persistentVolumeReclaimPolicy": "Delete"}})
