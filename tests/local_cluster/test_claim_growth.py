"""The backup job's claim against a real API server, resizer and kubelet, with no more rights than the job has."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from catalyx_dr.adapters.backup_claims import ClusterClaim
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.model.errors import RefusedError, UnreachableError
from catalyx_dr.model.quantity import Quantity
from dev.cluster.lifecycle import external_kubeconfig
from tests.local_cluster.pods import Kubectl, as_service_account, claim, pod

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(external_kubeconfig() is not None, reason="needs the local cluster's driver"),
]
PATIENCE = timedelta(seconds=60)
RULES = [
    {
        "apiGroups": [""],
        "resources": ["persistentvolumeclaims"],
        "resourceNames": ["data", "fixed"],
        "verbs": ["get", "patch"],
    }
]
FIXED_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "fixed-for-tests"},
    "provisioner": "files.catalyx-dr.invalid",
    "allowVolumeExpansion": False,
}
QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "few"},
    "spec": {"hard": {"requests.storage": "2Gi"}},
}


@pytest.fixture(scope="module")
def job(kubectl: Kubectl) -> Iterator[Cluster]:
    """The cluster as a service account with the rights of the backup job sees it."""
    cluster = as_service_account(kubectl, "job", RULES)
    yield cluster
    cluster.client.close()


@pytest.fixture
def mounted(kubectl: Kubectl) -> Iterator[None]:
    """The claim `data` of 400Mi, in use by a pod."""
    for document in (claim("400Mi"), pod("user", "import time; time.sleep(600)")):
        assert kubectl("apply", "-f", "-", document=document).returncode == 0
    ready = kubectl("wait", "--for=condition=Ready", "pod/user", "--timeout=60s")
    assert ready.returncode == 0, kubectl("describe", "pod", "user").stdout
    yield
    kubectl("delete", "pod/user", "pvc/data", "resourcequota/few", "--ignore-not-found")


@pytest.mark.usefixtures("mounted")
def test_it_grows_while_it_is_used(kubectl: Kubectl, job: Cluster) -> None:
    grown = ClusterClaim(job, "data", PATIENCE)
    assert str(grown.size().requested) == "400Mi"
    grown.grow(Quantity.parse("1Gi"))
    grown.wait_grown(Quantity.parse("1Gi"))
    assert str(grown.size().capacity) == "1Gi"
    program = "import shutil; print(shutil.disk_usage('/data').total)"
    assert int(kubectl("exec", "user", "--", "python", "-c", program).stdout) > 900 * 1024**2


@pytest.mark.usefixtures("mounted")
def test_a_quota_is_named(kubectl: Kubectl, job: Cluster) -> None:
    assert kubectl("apply", "-f", "-", document=QUOTA).returncode == 0
    used = kubectl("wait", "--for=jsonpath={.status.used.requests\\.storage}", "resourcequota/few", "--timeout=30s")
    assert used.returncode == 0, used.stderr
    with pytest.raises(RefusedError, match=r"may not grow to 4Gi: exceeded quota: few, .*; raise the ResourceQuota"):
        ClusterClaim(job, "data", PATIENCE).grow(Quantity.parse("4Gi"))


def test_a_class_that_cannot_grow_is_named(kubectl: Kubectl, job: Cluster) -> None:
    fixed = claim("400Mi", "fixed")
    fixed["spec"]["storageClassName"] = "fixed-for-tests"
    for document in (FIXED_CLASS, fixed):
        assert kubectl("apply", "-f", "-", document=document).returncode == 0
    bound = kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/fixed", "--timeout=30s")
    assert bound.returncode == 0, kubectl("describe", "pvc", "fixed").stdout
    try:
        with pytest.raises(RefusedError, match=r"fixed cannot grow to 1Gi: its storage class has no allowVolumeExp"):
            ClusterClaim(job, "fixed").grow(Quantity.parse("1Gi"))
    finally:
        kubectl("delete", "pvc/fixed", "storageclass/fixed-for-tests")


def test_a_growth_that_waits_for_a_pod_says_so(kubectl: Kubectl, job: Cluster) -> None:
    assert kubectl("apply", "-f", "-", document=claim("400Mi")).returncode == 0
    bound = kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/data", "--timeout=30s")
    assert bound.returncode == 0, kubectl("describe", "pvc", "data").stdout
    unused = ClusterClaim(job, "data", timedelta(seconds=5))
    unused.grow(Quantity.parse("1Gi"))
    with pytest.raises(UnreachableError, match=r"asks for 1Gi and has 400Mi: .*FileSystemResizePending"):
        unused.wait_grown(Quantity.parse("1Gi"))
    kubectl("delete", "pvc/data")


def test_other_claims_are_out_of_reach(job: Cluster) -> None:
    with pytest.raises(RefusedError, match="not allowed to read claim"):
        ClusterClaim(job, "another").size()
