"""Pods and claims with which the tests look at the local cluster."""

import subprocess
from collections.abc import Callable
from typing import Any

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
