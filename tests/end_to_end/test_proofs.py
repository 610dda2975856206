"""In the local cluster: all is verified, a restore is rehearsed, and damage ends in marks, Events and a message."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from lightkube import Client, codecs
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Event, Pod, Secret
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from catalyx_dr.adapters.cluster import MANAGED_BY, RECORD_LABEL
from dev import cluster, platform
from dev.cluster.layout import NODE_ADDRESS
from dev.local_stack import LocalStack
from tests.fixtures_identity import HttpServer, Reply

pytestmark = pytest.mark.cluster
_NAMESPACE = platform.NAMESPACE
_DAMAGER = "damages-a-set"


@dataclass(frozen=True)
class Proving:
    """The local stack with every schedule, and what its webhook heard."""

    stack: LocalStack
    api: Client
    hook: HttpServer

    def run(self, what: str) -> int:
        """Run a schedule now; returns its exit code."""
        return self._command("run", what).returncode

    def history(self, kind: str) -> list[dict[str, Any]]:
        """Records, newest first."""
        ended = self._command("history", "--kind", kind, "--json")
        records: list[dict[str, Any]] = json.loads(ended.stdout)
        return records

    def events(self, reason: str) -> list[Event]:
        """Warnings about this reason."""
        found = self.api.list(Event, namespace=_NAMESPACE)
        return [event for event in found if (event.type, event.reason) == ("Warning", reason)]

    def _command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "catalyx_dr", *arguments, "--namespace", _NAMESPACE]
        ended = subprocess.run(
            command, cwd=self.stack.folder, env=self.stack.environment, text=True, capture_output=True, check=False
        )
        print(ended.stdout, ended.stderr)
        return ended


@pytest.fixture(scope="module")
def proving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proving]:
    cluster.up()
    platform.up()
    hook = HttpServer(lambda _: Reply(), NODE_ADDRESS)
    with platform.client() as api:
        for record in api.list(ConfigMap, namespace=_NAMESPACE, labels={MANAGED_BY: "catalyx-dr"}):
            if record.metadata and record.metadata.name and RECORD_LABEL in (record.metadata.labels or {}):
                api.delete(ConfigMap, record.metadata.name, namespace=_NAMESPACE)
        url = base64.b64encode(f"{hook.url}/hook".encode()).decode()
        metadata = ObjectMeta(name="backup-alerts", namespace=_NAMESPACE)
        api.apply(Secret(apiVersion="v1", kind="Secret", metadata=metadata, data={"url": url}), force=True)
        stack = LocalStack(tmp_path_factory.mktemp("stack"))
        stack.create()
        # What earlier stacks left in the bucket is locked there, and none of this one's business.
        backup = stack.validator()["backup"]
        backup["bucket"]["prefix"] = f"proofs-{uuid4().hex[:8]}/"
        stack.declare_for_validator(alerts={"webhook": {"name": "backup-alerts", "key": "url"}}, backup=backup)
        stack.show("pulumi", "up", "--yes", "--skip-preview")
        yield Proving(stack, api, hook)
        api.delete(Secret, "backup-alerts", namespace=_NAMESPACE)
    hook.stop()


def _damage(api: Client, set_id: str) -> None:
    """Change one byte of the participant's dump on the volume."""
    script = f"""
        victim=$(ls -S /backups/sets/{set_id}/participant/* | head -1)
        printf 'x' | dd of="$victim" bs=1 seek=100 conv=notrunc
    """
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _DAMAGER, "namespace": _NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001},
            "containers": [
                {
                    "name": "damage",
                    "image": "localhost/catalyx-dr/postgres:dev",
                    "imagePullPolicy": "Never",
                    "command": ["sh", "-ec", script],
                    "volumeMounts": [{"name": "backups", "mountPath": "/backups"}],
                }
            ],
            "volumes": [{"name": "backups", "persistentVolumeClaim": {"claimName": "acme-backups"}}],
        },
    }
    api.create(codecs.from_dict(pod))
    try:
        assert _ended(api) == "Succeeded"
    finally:
        api.delete(Pod, _DAMAGER, namespace=_NAMESPACE)


@retry(stop=stop_after_delay(120), wait=wait_fixed(0.5), retry=retry_if_result(lambda phase: phase is None))
def _ended(api: Client) -> str | None:
    status = api.get(Pod, _DAMAGER, namespace=_NAMESPACE).status
    return status.phase if status and status.phase in ("Succeeded", "Failed") else None


def test_what_is_sound_is_verified_and_restored(proving: Proving) -> None:
    for what in ("backup", "identity-dump", "verify", "drill"):
        assert proving.run(what) == 0, what

    (verification,), (drill,), (dump,) = (proving.history(kind) for kind in ("verification", "drill", "identity-dump"))
    assert verification["details"]["checked"]["identity-dump cluster"]["captures"] == 1
    assert verification["details"]["bytesRead"] > 0
    assert drill["details"]["participantId"] == dump["details"]["metadata"]["participantId"]
    assert drill["details"]["source"] == "volume"
    assert proving.hook.asked == []


def test_damage_is_noticed_told_and_avoided(proving: Proving, tmp_path: Path) -> None:
    # Sets that earlier stacks left on the volume are sent to this one's bucket, and recorded.
    older = proving.history("backup-set")[0]["identifier"]
    assert proving.run("backup") == 0
    newest = proving.history("backup-set")[0]["identifier"]
    _damage(proving.api, newest)

    assert proving.run("verify") == 1

    assert "has changed" in proving.history("backup-set")[0]["damaged"]["volume"]
    events = [event for event in proving.events("VerificationFailed") if newest in (event.message or "")]
    assert [event.involvedObject.name for event in events] == ["acme-verify"]
    told = json.loads(proving.hook.asked[-1].body)
    assert told["text"].startswith("VerificationFailed: validator acme in validator-1 (acme-verify): damaged: volume")
    assert proving.run("drill") == 0
    assert proving.history("drill")[0]["details"]["set"] == older
