"""The peer: a program that registers the same Kubernetes objects plainly, from manifests in `objects.json`."""

import json
from pathlib import Path

from pulumi import ResourceOptions
from pulumi_kubernetes.batch.v1 import CronJob
from pulumi_kubernetes.core.v1 import ConfigMap, PersistentVolumeClaim, ServiceAccount
from pulumi_kubernetes.rbac.v1 import Role, RoleBinding

for declared in json.loads(Path("objects.json").read_text()):
    kind, name, inputs = declared["type"].rpartition(":")[2], declared["name"], declared["inputs"]
    metadata, options = inputs["metadata"], ResourceOptions()
    if kind == "ConfigMap":
        ConfigMap(name, metadata=metadata, data=inputs["data"])
    elif kind == "ServiceAccount":
        ServiceAccount(name, metadata=metadata, automount_service_account_token=False)
    elif kind == "Role":
        Role(name, metadata=metadata, rules=inputs["rules"])
    elif kind == "RoleBinding":
        RoleBinding(name, metadata=metadata, role_ref=inputs["roleRef"], subjects=inputs["subjects"])
    elif kind == "PersistentVolumeClaim":
        PersistentVolumeClaim(name, metadata=metadata, spec=inputs["spec"])
    elif kind == "CronJob":
        CronJob(name, metadata=metadata, spec=inputs["spec"])
