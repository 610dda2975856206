"""Scheduled jobs against the real API server, with exactly the rights that the stack declares for them."""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube import Client, codecs
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Event, ServiceAccount

from catalyx_dr.adapters.cluster import Cluster, connect
from catalyx_dr.adapters.events import warn_about
from catalyx_dr.adapters.identity_secrets import has_dump
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.adapters.run_lease import ClusterLeases
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from dev.toolchain.go_tools import kubectl
from tests.components.rendering import Declared, rendered
from tests.components.specs import VALIDATOR, stack_spec

pytestmark = pytest.mark.cluster
As = Callable[[str], Cluster]


def _objects(declared: list[Declared], kind: str, name: str) -> Any:
    """The declared object as the API server takes it."""
    (found,) = (one for one in declared if one.type.endswith(f":{kind}") and one.name == name)
    group = "rbac.authorization.k8s.io/v1" if kind.startswith("Role") else "batch/v1"
    # Engines hand every number over as a float.
    inputs = json.loads(json.dumps(found.inputs), parse_float=lambda number: int(float(number)))
    return codecs.from_dict({"apiVersion": group, "kind": kind, **inputs})


@pytest.fixture
def acting_as(client: Client, kubeconfig: Path, namespace: str, request: pytest.FixtureRequest) -> Iterator[As]:
    """The cluster as one of the declared service accounts sees it; every CronJob is there.

    A parameter is the validator's `backup` instead of the usual one.
    """
    backup = getattr(request, "param", VALIDATOR["backup"])
    validator = VALIDATOR | {"namespace": namespace, "verification": {}, "drill": {}, "backup": backup}
    declared = rendered(stack_spec(validators=[validator]))
    for name in ("acme-backup", "acme-verify", "acme-drill", "acme-identity-dump", "acme-recovery"):
        if name != "acme-recovery":
            client.create(_objects(declared, "CronJob", name))
        client.create(ServiceAccount(metadata=ObjectMeta(name=name, namespace=namespace)))
        client.create(_objects(declared, "Role", name))
        client.create(_objects(declared, "RoleBinding", name))

    clusters: list[Cluster] = []

    def reach(name: str) -> Cluster:
        command = [str(kubectl()), f"--kubeconfig={kubeconfig}", f"--namespace={namespace}", "create", "token", name]
        token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        config = yaml.safe_load(kubeconfig.read_text())
        config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
        clusters.append(connect(namespace, yaml.safe_dump(config)))
        return clusters[-1]

    yield reach
    for cluster in clusters:
        cluster.client.close()


@pytest.mark.parametrize("name", ["acme-backup", "acme-verify", "acme-drill", "acme-identity-dump"])
def test_every_job_may_write_an_event_that_describe_shows(
    acting_as: As, name: str, kubeconfig: Path, namespace: str
) -> None:
    warn_about(acting_as(name), "acme-backup", "BackupFailed", "disk full " * 200)

    describe = [str(kubectl()), f"--kubeconfig={kubeconfig}", f"--namespace={namespace}", "describe", "cronjob"]
    shown = subprocess.run([*describe, "acme-backup"], check=True, capture_output=True, text=True).stdout
    assert "Warning  BackupFailed" in shown
    assert "catalyx-dr" in shown


def test_event_on_a_cron_job_that_is_gone_is_written_all_the_same(
    acting_as: As, client: Client, namespace: str
) -> None:
    cluster = acting_as("acme-verify")
    subject = "acme-somewhere-else"  # not among the names that the Role allows, and absent

    warn_about(cluster, subject, "RecoveryPointMissed", "no backup for a day")

    events = [event for event in client.list(Event, namespace=namespace) if event.involvedObject.name == subject]
    assert [(event.type, event.reason, event.message) for event in events] == [
        ("Warning", "RecoveryPointMissed", "no backup for a day")
    ]


def test_verification_finds_a_dump_whose_secret_it_may_not_read(acting_as: As, client: Client, namespace: str) -> None:
    acting_as("acme-identity-dump").create_secret(
        "acme-identities-20260301t060000z", {"content": b"private keys"}, {}, immutable=True
    )
    verifier = acting_as("acme-verify")

    assert has_dump(verifier, "acme", "20260301t060000z")
    assert not has_dump(verifier, "acme", "20260302t060000z")
    assert not has_dump(verifier, "acme", "20260302t060000z")  # looking left nothing behind
    with pytest.raises(RefusedError, match="not allowed"):
        verifier.delete_secret("acme-identities-20260301t060000z")


@pytest.mark.parametrize("acting_as", [{"bucket": VALIDATOR["backup"]["bucket"]}], indirect=True)
def test_backup_and_recovery_keep_each_other_away_where_no_volume_can_be_locked(acting_as: As) -> None:
    accounts = [ClusterLeases(acting_as(name)) for name in ("acme-backup", "acme-recovery")]
    for first, second in (accounts, reversed(accounts)):
        with first.only_run("acme") as held:
            with pytest.raises(RefusedError, match="another backup or recovery"), second.only_run("acme"):
                pass
            held.check()


def test_verification_keeps_records(acting_as: As) -> None:
    records = ClusterRecords(acting_as("acme-verify"))
    record = Record(
        kind=RecordKind.VERIFICATION,
        identifier="20260301t060000z",
        validator="acme",
        status=RecordStatus.FAILED,
        phase="read the volume",
        started=datetime(2026, 3, 1, 6, tzinfo=UTC),
        damaged={"volume": "a byte has changed"},
    )
    records.save(record)
    assert records.list("acme", RecordKind.VERIFICATION) == [record]
    records.delete(record)
