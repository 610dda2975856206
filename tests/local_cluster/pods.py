"""Pods, claims and service accounts with which the tests look at the local cluster."""

import subprocess
from collections.abc import Callable
from typing import Any

import yaml

from catalyx_dr.adapters.cluster import Cluster, connect
from dev.cluster import kubeconfig_path
from dev.cluster.waiting import wait_until

Kubectl = Callable[..., subprocess.CompletedProcess[str]]

WITHOUT_RIGHTS = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def pod(name: str, program: str, claim_name: str = "data") -> dict[str, Any]:
    """A pod that runs a Python program as a user without rights, with the claim at /data."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "fsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}],
            "containers": [
                {
                    "name": "main",
                    "image": "localhost/catalyx-dr/agent:dev",
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python", "-c", program],
                    "securityContext": WITHOUT_RIGHTS,
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
        },
    }


def claim(size: str, name: str = "data") -> dict[str, Any]:
    """A claim of the default class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def log_of_ended(kubectl: Kubectl, name: str) -> str:
    """What a pod wrote until it ended."""

    def ended() -> bool:
        return kubectl("get", "pod", name, "-o=jsonpath={.status.phase}").stdout in ("Succeeded", "Failed")

    wait_until(ended, f"the end of pod {name}", 60, kubectl("describe", "pod", name).stdout)
    return kubectl("logs", name).stdout


def namespace_of(kubectl: Kubectl) -> str:
    """The namespace that kubectl works in."""
    return kubectl("get", "serviceaccount", "default", "-o=jsonpath={.metadata.namespace}").stdout


def as_service_account(kubectl: Kubectl, name: str, rules: list[dict[str, Any]]) -> Cluster:
    """The cluster as a new service account with these rights sees it. Whoever asks for it closes it."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name},
        "rules": rules,
    }
    assert kubectl("apply", "-f", "-", document=role).returncode == 0
    for words in (
        ("create", "serviceaccount", name),
        ("create", "rolebinding", name, f"--role={name}", f"--serviceaccount={namespace_of(kubectl)}:{name}"),
    ):
        done = kubectl(*words)
        assert done.returncode == 0, done.stderr
    config = yaml.safe_load(kubeconfig_path().read_text())
    config["users"][0]["user"] = {"token": kubectl("create", "token", name).stdout.strip()}
    return connect(namespace_of(kubectl), yaml.safe_dump(config))
