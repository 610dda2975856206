"""Volumes of the local cluster are as those of a cloud: full when they are full, grown, copied by snapshots."""

import json

import pytest

from dev.cluster.lifecycle import external_kubeconfig
from dev.cluster.waiting import wait_until
from tests.local_cluster.pods import Kubectl, claim, log_of_ended, pod

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(external_kubeconfig() is not None, reason="about the local cluster alone"),
]
MEBIBYTE = 1024**2
SNAPSHOT = {
    "apiVersion": "snapshot.storage.k8s.io/v1",
    "kind": "VolumeSnapshot",
    "metadata": {"name": "earlier"},
    "spec": {"volumeSnapshotClassName": "standard", "source": {"persistentVolumeClaimName": "data"}},
}
HOLD = (
    "import time, signal; signal.signal(15, lambda *_: exit()); open('/data/word', 'w').write('first'); time.sleep(600)"
)


@pytest.fixture(scope="module")
def used(kubectl: Kubectl) -> Kubectl:
    """A claim that a running pod has mounted and written to."""
    for document in (claim("400Mi"), pod("holder", HOLD)):
        assert kubectl("apply", "-f", "-", document=document).returncode == 0
    ready = kubectl("wait", "--for=condition=Ready", "pod/holder", "--timeout=60s")
    assert ready.returncode == 0, kubectl("describe", "pod", "holder").stdout
    wait_until(lambda: inside(kubectl, "print(open('/data/word').read())") == "first", "the first word", 20, "")
    return kubectl


def inside(kubectl: Kubectl, program: str) -> str:
    return kubectl("exec", "holder", "--", "python", "-c", program).stdout.strip()


def capacity(kubectl: Kubectl) -> int:
    return int(inside(kubectl, "import shutil; print(shutil.disk_usage('/data').total)"))


def test_a_full_volume_is_full_and_grows_while_it_is_used(used: Kubectl) -> None:
    fill = """
with open('/data/fill', 'wb') as out:
    try:
        while True: out.write(bytes(1024**2)); out.flush()
    except OSError as full: print(full.errno)
import os; os.unlink('/data/fill')"""
    assert inside(used, fill).endswith("28")  # ENOSPC
    assert capacity(used) < 400 * MEBIBYTE

    assert used("apply", "-f", "-", document=claim("800Mi")).returncode == 0
    wait_until(lambda: capacity(used) > 700 * MEBIBYTE, "the growth of the file system", 60, "See log/csi-resizer.log.")
    refused = used("apply", "-f", "-", document=claim("400Mi"))
    assert refused.returncode != 0
    assert "can not be less than status.capacity" in refused.stderr


def test_a_snapshot_keeps_what_was_and_becomes_a_larger_volume(used: Kubectl) -> None:
    inside(used, "open('/data/word', 'w').write('kept')")
    assert used("apply", "-f", "-", document=SNAPSHOT).returncode == 0
    ready = used("wait", "--for=jsonpath={.status.readyToUse}=true", "volumesnapshot/earlier", "--timeout=60s")
    assert ready.returncode == 0, used("describe", "volumesnapshot", "earlier").stdout
    inside(used, "open('/data/word', 'w').write('later')")

    copy = claim("1Gi", "copy")
    copy["spec"]["dataSource"] = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "earlier"}
    reader = pod("reader", "import shutil; print(open('/data/word').read(), shutil.disk_usage('/data').total)", "copy")
    for document in (copy, reader):
        assert used("apply", "-f", "-", document=document).returncode == 0
    word, size = log_of_ended(used, "reader").split()
    assert word == "kept"
    assert int(size) > 900 * MEBIBYTE


def test_a_claim_smaller_than_its_snapshot_is_refused(used: Kubectl) -> None:
    copy = claim("350Mi", "too-small")
    copy["spec"]["dataSource"] = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "earlier"}
    assert used("apply", "-f", "-", document=copy).returncode == 0

    def refused() -> bool:
        events = json.loads(used("get", "events", "--field-selector=reason=ProvisioningFailed", "-o=json").stdout)
        return any("less than the size" in event["message"] for event in events["items"])

    wait_until(refused, "the refusal of the smaller claim", 30, "See log/csi-provisioner.log.")
