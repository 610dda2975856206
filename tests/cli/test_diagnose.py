"""Diagnoses from really broken objects in a namespace of a real cluster."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lightkube import Client, codecs
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import CronJob, Job
from lightkube.resources.core_v1 import ConfigMap, PersistentVolumeClaim, Pod, ResourceQuota, Secret, ServiceAccount
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.live_objects import collect
from catalyx_dr.model.record import RecordKind
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.diagnosis import Diagnosis, diagnose
from tests.cli.conftest import Typed
from tests.components.records import captured
from tests.live_stack import declare_live, save_live

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning"),
]
NOW = datetime.now(UTC)
NO_IMAGE = "localhost/catalyx-dr/not-there:dev"
VOLUME_ONLY = {"volume": {"storageClass": "standard"}, "cron": "0 */4 * * *", "recoveryPoint": "4h"}
SECRETS = {
    "postgres-secrets": ["postgresPassword"],
    "splice-app-validator-ledger-api-auth": ["url", "client-id", "client-secret"],
}


def install(client: Client, namespace: str) -> None:
    """What a healthy validator has around its schedules: Secrets, and workloads without a replica."""
    for name, keys in SECRETS.items():
        metadata = ObjectMeta(name=name, namespace=namespace)
        client.create(Secret(metadata=metadata, stringData=dict.fromkeys(keys, "value")))
    for name in ("validator-app", "participant"):
        client.create(deployment(namespace, name))


def deployment(namespace: str, name: str, replicas: int = 0, **environment: str) -> Deployment:
    variables = [{"name": key, "value": value} for key, value in environment.items()]
    container = {"name": name, "image": NO_IMAGE, "imagePullPolicy": "Never", "env": variables}
    found = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }
    return codecs.from_dict(found)  # type: ignore[return-value]


@pytest.fixture
def spec(client: Client, namespace: str) -> Iterator[ValidatorSpec]:
    """A declared validator that nothing is wrong with as far as the API tells."""
    install(client, namespace)
    found = declare_live(client, namespace, backup=VOLUME_ONLY)
    save_live(
        namespace,
        [
            captured(RecordKind.BACKUP_SET, NOW - timedelta(minutes=9), "volume"),
            captured(RecordKind.IDENTITY_DUMP, NOW - timedelta(minutes=9), "elsewhere"),
        ],
    )
    yield found
    # A namespace goes only when its claims do, which are protected as long as a pod is there.
    client.deletecollection(Job, namespace=namespace)
    client.deletecollection(Pod, namespace=namespace, grace_period=0)


def found(client: Client, spec: ValidatorSpec) -> dict[str, Diagnosis]:
    return {one.name: one for one in diagnose(collect(Cluster(client, spec.namespace), spec))}


def wait_for(client: Client, spec: ValidatorSpec, name: str) -> Diagnosis:
    """The diagnosis, as soon as Kubernetes has come so far."""
    attempts = retry(
        stop=stop_after_delay(90),
        wait=wait_fixed(0.5),
        retry=retry_if_result(lambda names: name not in names),
        retry_error_callback=lambda state: pytest.fail(f"{name} is not among {state.outcome.result()}"),  # type: ignore[union-attr]
    )
    diagnoses: dict[str, Diagnosis] = attempts(found)(client, spec)
    return diagnoses[name]


def start_backup(client: Client, namespace: str, name: str = "acme-backup-now", **changes: Any) -> None:
    """A Job as the CronJob's controller makes it."""
    cron_job = client.get(CronJob, "acme-backup", namespace=namespace)
    template = cron_job.spec.jobTemplate.to_dict()
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "acme-backup", "uid": cron_job.metadata.uid}  # type: ignore[union-attr]
    metadata = {**template["metadata"], "name": name, "namespace": namespace, "ownerReferences": [owner]}
    client.create(
        codecs.from_dict(
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"] | changes}
        )
    )


def test_nothing_is_found_where_nothing_is_wrong(client: Client, spec: ValidatorSpec, typed: Typed) -> None:
    told = typed("diagnose", "-n", spec.namespace, "--no-job")
    assert (told.code, told.err) == (0, ""), told.out
    assert "nothing wrong found" in told.out
    assert "not looked at: databases, bucket, logins and API" in told.out


def test_a_damaged_record(client: Client, spec: ValidatorSpec) -> None:
    name = captured(RecordKind.BACKUP_SET, NOW - timedelta(hours=9), "volume").object_name
    save_live(spec.namespace, [captured(RecordKind.BACKUP_SET, NOW - timedelta(hours=9), "volume")])
    client.patch(ConfigMap, name, {"data": {"record.json": "{}"}}, namespace=spec.namespace)

    told = found(client, spec)

    assert told.keys() == {"record-damaged"}
    assert told["record-damaged"].remedy.startswith(f"kubectl delete configmap {name} -n {spec.namespace}")


def test_suspended_deleted_and_changed_schedules(client: Client, spec: ValidatorSpec) -> None:
    client.patch(CronJob, "acme-backup", {"spec": {"suspend": True, "schedule": "0 1 * * *"}}, namespace=spec.namespace)
    client.delete(CronJob, "acme-identity-dump", namespace=spec.namespace)
    names = found(client, spec)
    assert {"schedule-suspended", "schedule-changed", "schedule-missing"} == set(names)
    assert "kubectl patch cronjob acme-backup" in names["schedule-suspended"].remedy


def test_image_that_is_nowhere(client: Client, namespace: str, typed: Typed) -> None:
    install(client, namespace)
    spec = declare_live(client, namespace, image=NO_IMAGE, backup=VOLUME_ONLY)
    client.patch(
        CronJob,
        "acme-backup",
        {
            "spec": {
                "jobTemplate": {
                    "spec": {"template": {"spec": {"containers": [{"name": "catalyx-dr", "imagePullPolicy": "Never"}]}}}
                }
            }
        },
        namespace=namespace,
    )
    start_backup(client, namespace)
    assert "not-there" in wait_for(client, spec, "image-not-pulled").found

    told = typed("diagnose", "-n", namespace, "--json")
    assert told.code == 1
    (document,) = json.loads(told.out)
    assert "image-not-pulled" in {one["name"] for one in document["diagnoses"]}
    assert any("cannot start" in text for text in document["not_looked_at"])
    assert not [job for job in client.list(Job, namespace=namespace) if "-look-" in job.metadata.name]  # type: ignore[union-attr, operator]
    client.deletecollection(Job, namespace=namespace)
    client.deletecollection(Pod, namespace=namespace, grace_period=0)


def test_claim_without_a_class_and_claim_that_is_gone(client: Client, spec: ValidatorSpec) -> None:
    client.delete(PersistentVolumeClaim, "acme-backups", namespace=spec.namespace)
    assert wait_for(client, spec, "claim-missing")
    client.create(
        codecs.from_dict(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "acme-backups", "namespace": spec.namespace},
                "spec": {
                    "storageClassName": "not-there",
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            }
        )
    )
    assert "storage class not-there does not exist" in wait_for(client, spec, "claim-pending").cause


def test_secrets_that_are_absent_or_have_other_keys(client: Client, spec: ValidatorSpec) -> None:
    client.delete(Secret, "postgres-secrets", namespace=spec.namespace)
    name = "splice-app-validator-ledger-api-auth"
    client.patch(Secret, name, {"data": {"client-id": None}, "stringData": {"clientId": "x"}}, namespace=spec.namespace)
    names = found(client, spec)
    # The claim may still be waiting for its volume.
    assert set(names) - {"claim-pending"} == {"secret-missing", "secret-keys"}
    assert "no value under client-id; it has client-secret, clientId, url" in names["secret-keys"].found


def test_quota_that_refuses_the_pod(client: Client, spec: ValidatorSpec) -> None:
    metadata = ObjectMeta(name="none", namespace=spec.namespace)
    client.create(
        codecs.from_dict(
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": metadata.to_dict(),
                "spec": {"hard": {"pods": "0"}},
            }
        )
    )
    start_backup(client, spec.namespace)
    assert "exceeded quota" in wait_for(client, spec, "pod-refused").found
    client.delete(ResourceQuota, "none", namespace=spec.namespace)


def test_service_account_that_is_gone(client: Client, spec: ValidatorSpec) -> None:
    client.delete(ServiceAccount, "acme-backup", namespace=spec.namespace)
    start_backup(client, spec.namespace)
    assert "acme-backup" in wait_for(client, spec, "pod-refused").found


def test_job_that_failed_with_its_reason(client: Client, spec: ValidatorSpec) -> None:
    start_backup(client, spec.namespace)
    told = wait_for(client, spec, "database-unreachable")
    assert "postgres" in told.found


def test_job_ended_by_its_deadline(client: Client, spec: ValidatorSpec) -> None:
    start_backup(client, spec.namespace, activeDeadlineSeconds=1)
    assert wait_for(client, spec, "deadline-exceeded").subject == "Job acme-backup-now"


def test_workloads_left_stopped_missing_or_with_another_identifier(client: Client, spec: ValidatorSpec) -> None:
    client.patch(
        Deployment,
        "participant",
        {"metadata": {"annotations": {"catalyx-dr/replicas-before-recovery": "1"}}},
        namespace=spec.namespace,
    )
    variable = {"name": "SPLICE_APP_VALIDATOR_PARTICIPANT_IDENTIFIER", "value": "another"}
    client.patch(
        Deployment,
        "validator-app",
        {"spec": {"template": {"spec": {"containers": [{"name": "validator-app", "env": [variable]}]}}}},
        namespace=spec.namespace,
    )
    participant = "PAR::acme-validator-1::1220" + "ab" * 32
    dump = captured(RecordKind.IDENTITY_DUMP, NOW - timedelta(minutes=9), "elsewhere")
    save_live(spec.namespace, [dump.model_copy(update={"details": {"metadata": {"participantId": participant}}})])
    assert set(found(client, spec)) == {"left-stopped", "cannot-rejoin-network"}

    client.delete(Deployment, "participant", namespace=spec.namespace)
    assert set(found(client, spec)) == {"workload-missing", "cannot-rejoin-network"}
