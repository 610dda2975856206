"""Pods that run the agent image: one template for scheduled jobs and recoveries, hardened alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from catalyx_dr.adapters.cluster import labels
from catalyx_dr.adapters.secret_files import MOUNT_PATH
from catalyx_dr.model.environment_spec import AgentImage
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.model.validator_spec import ValidatorSpec

SPEC_FILE = "validator.json"
_SPEC_FOLDER = MOUNT_PATH.parent
_USER = 10001
_VOLUME_LABEL = "catalyx-dr/volume"
# Dumping and restoring are streams; compression takes what it can get, and nothing beyond the limit is ever needed.
_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
_FINISHED_JOB_KEPT = timedelta(days=7)
_FINISHED_DRILL_KEPT = timedelta(hours=1)


@dataclass(frozen=True)
class Companion:
    """A program beside the agent, as long as the agent runs; its volume and the agent's scratch go with the pod."""

    container: Mapping[str, Any]
    volume: Mapping[str, Any]
    scratch: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class AgentPod:
    """What a pod runs and may see.

    `secrets` are mounted as files below /etc/catalyx-dr/secrets; `talks_to_cluster` mounts the service account's token.
    `waits_for`: one of the Secrets that the pod does not start without.
    """

    spec: ValidatorSpec
    agent: AgentImage
    arguments: tuple[str, ...]
    service_account: str
    secrets: tuple[SecretKey, ...]
    backup_volume: bool = False
    scratch_limit: Quantity | None = None
    talks_to_cluster: bool = True
    companion: Companion | None = None
    waits_for: str | None = None

    @property
    def _names(self) -> ObjectNames:
        return ObjectNames.of(self.spec)

    def job_spec(self, deadline: timedelta) -> dict[str, Any]:
        """Specification of a Job that runs the pod once: a failed run is looked at, not repeated blindly."""
        return {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(deadline.total_seconds()),
            "template": {"metadata": {"labels": self._labels}, "spec": self._pod_spec()},
        }

    def scheduled_job_spec(self, deadline: timedelta) -> dict[str, Any]:
        """The same for a CronJob; a pod that its node gave up is started again, since a capture may be repeated."""
        given_up = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
        # Claims that go with a pod would stay as long as its finished Job.
        short_lived = {"ttlSecondsAfterFinished": int(_FINISHED_DRILL_KEPT.total_seconds())} if self.companion else {}
        return {**self.job_spec(deadline), **short_lived, "podFailurePolicy": {"rules": [given_up]}}

    def job_manifest(self, name: str, deadline: timedelta) -> dict[str, Any]:
        """Manifest of a Job that a person's request starts; it stays a week, its record stays for good."""
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": self.spec.namespace, "labels": labels(self.spec.name)},
            "spec": {
                **self.job_spec(deadline),
                "ttlSecondsAfterFinished": int(_FINISHED_JOB_KEPT.total_seconds()),
            },
        }

    def _pod_spec(self) -> dict[str, Any]:
        return {
            "restartPolicy": "Never",
            "serviceAccountName": self.service_account,
            "automountServiceAccountToken": self.talks_to_cluster,
            "enableServiceLinks": False,
            **({"affinity": self._beside_others} if self.backup_volume else {}),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "fsGroup": _USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            # An init container that is restarted always is a sidecar: the Job ends when the agent does.
            **({"initContainers": [{**self.companion.container, "restartPolicy": "Always"}]} if self.companion else {}),
            "containers": [
                {
                    "name": "catalyx-dr",
                    "image": self.agent.image,
                    "imagePullPolicy": self.agent.pull_policy,
                    "args": list(self.arguments),
                    "resources": _RESOURCES,
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": self._mounts(),
                }
            ],
            "volumes": self._volumes(),
        }

    @property
    def _labels(self) -> dict[str, str]:
        volume = {_VOLUME_LABEL: self._names.volume_claim} if self.backup_volume else {}
        return labels(self.spec.name, **volume)

    @property
    def _beside_others(self) -> dict[str, Any]:
        """Go where the volume is in use: one that a single node may mount keeps a pod waiting anywhere else.

        A backup would otherwise wait until a verification elsewhere has ended, and miss its recovery point.
        """
        same_volume = {"labelSelector": {"matchLabels": {_VOLUME_LABEL: self._names.volume_claim}}}
        term = {**same_volume, "topologyKey": "kubernetes.io/hostname"}
        return {
            "podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]
            }
        }

    def _mounts(self) -> list[dict[str, Any]]:
        mounts: list[dict[str, Any]] = [
            {"name": "configuration", "mountPath": str(_SPEC_FOLDER), "readOnly": True},
            {"name": "scratch", "mountPath": "/scratch"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ]
        if self.backup_volume:
            mounts.append({"name": "backups", "mountPath": "/backups"})
        return mounts

    def _volumes(self) -> list[dict[str, Any]]:
        limit = {"sizeLimit": str(self.scratch_limit)} if self.scratch_limit else {}
        scratch = self.companion.scratch if self.companion and self.companion.scratch else {"emptyDir": limit}
        volumes: list[dict[str, Any]] = [
            # One volume, because nothing can be mounted inside a read-only ConfigMap.
            {"name": "configuration", "projected": {"defaultMode": 0o440, "sources": self._configuration()}},
            {"name": "scratch", **scratch},
            {"name": "tmp", "emptyDir": {}},
        ]
        if self.companion:
            volumes.append(dict(self.companion.volume))
        if self.backup_volume:
            volumes.append({"name": "backups", "persistentVolumeClaim": {"claimName": self._names.volume_claim}})
        return volumes

    def _configuration(self) -> list[dict[str, Any]]:
        spec_file = {"name": self._names.spec_config_map, "items": [{"key": SPEC_FILE, "path": SPEC_FILE}]}
        return [{"configMap": spec_file}, *self._authority_sources(), *self._secret_sources()]

    def _authority_sources(self) -> list[dict[str, Any]]:
        """Certificates of the store's authorities from a ConfigMap, found where the keys of Secrets are."""
        bundle = self.spec.backup.bucket.ca_bundle if self.spec.backup and self.spec.backup.bucket else None
        if bundle is None or bundle.kind != "ConfigMap":
            return []
        items = [{"key": bundle.key, "path": f"{MOUNT_PATH.name}/{bundle.name}/{bundle.key}"}]
        return [{"configMap": {"name": bundle.name, "items": items, "optional": True}}]

    def _secret_sources(self) -> list[dict[str, Any]]:
        folder = MOUNT_PATH.name
        return [
            {
                "secret": {
                    "name": name,
                    "items": [{"key": one.key, "path": f"{folder}/{name}/{one.key}"} for one in keys],
                    # A missing Secret would hold the pod back without a word; the command says which one is missing.
                    "optional": name != self.waits_for,
                }
            }
            for name, keys in groupby(self.secrets, key=lambda secret: secret.name)
        ]
