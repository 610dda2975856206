"""Jobs in the real cluster that play the agent: they keep the record of a restore and end as a test wants."""

from typing import Any

from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.models.rbac_v1 import PolicyRule, RoleRef, Subject
from lightkube.resources.core_v1 import ServiceAccount
from lightkube.resources.rbac_authorization_v1 import Role, RoleBinding

ACCOUNT = "acme-recovery"
_AGENT = """
import sys, time
from datetime import UTC, datetime
from catalyx_dr.adapters.cluster import connect
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.model.record import Record, RecordKind, RecordStatus

namespace, request, end = sys.argv[1:]
cluster = connect(namespace)
records = ClusterRecords(cluster)
record = Record(kind=RecordKind.RESTORE, identifier=request, validator="acme", status=RecordStatus.RUNNING,
                phase="load", percent=40, started=datetime.now(UTC), details={"set": "20260301t060000z"})
records.save(record)
print("restore acme:  40 % load", flush=True)
while end == "wait" and cluster.config_map("go") is None:
    time.sleep(0.2)
failed = end == "fail"
status = RecordStatus.FAILED if failed else RecordStatus.COMPLETED
message = "the server is full" if failed else "verified"
records.save(record.model_copy(update={"status": status, "message": message, "finished": datetime.now(UTC)}))
sys.exit(int(failed))
"""


def allow_records(client: Client, namespace: str) -> None:
    """Give the Jobs' service account what it needs."""
    metadata = ObjectMeta(name=ACCOUNT, namespace=namespace)
    rule = PolicyRule(apiGroups=[""], resources=["configmaps"], verbs=["get", "list", "create", "patch"])
    client.create(ServiceAccount(metadata=metadata))
    client.create(Role(metadata=metadata, rules=[rule]))
    client.create(
        RoleBinding(
            metadata=metadata,
            roleRef=RoleRef(apiGroup="rbac.authorization.k8s.io", kind="Role", name=ACCOUNT),
            subjects=[Subject(kind="ServiceAccount", name=ACCOUNT, namespace=namespace)],
        )
    )


def agent_job(namespace: str, request: str, end: str) -> dict[str, Any]:
    """Manifest of a Job that ends with `complete`, `fail`, or completes when a ConfigMap `go` is there (`wait`)."""
    container = {
        "name": "catalyx-dr",
        "image": "localhost/catalyx-dr/agent:dev",
        "command": ["python3", "-c", _AGENT],
        "args": [namespace, request, end],
    }
    pod = {"restartPolicy": "Never", "serviceAccountName": ACCOUNT, "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"acme-restore-{request}", "namespace": namespace},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 300, "template": {"spec": pod}},
    }
