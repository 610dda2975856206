"""Bad input ends in a clear error and an exit code, before anything is touched."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Pod, Secret

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.model.record import RecordKind, RecordStatus
from dev import platform
from dev.cluster.waiting import wait_until
from dev.local_stack import VALIDATOR
from dev.platform import NAMESPACE
from dev.platform.databases import maintenance_connection
from dev.platform.objects import PATIENCE_SECONDS, SHARED_NAMESPACE, deployed_identifier, wait_ready
from tests.end_to_end.declared_stack import DeclaredStack

pytestmark = pytest.mark.cluster


@dataclass(frozen=True)
class Traces:
    """What a recovery touches first: databases, workloads, Jobs."""

    databases: tuple[str, ...]
    generations: tuple[int | None, ...]
    jobs: frozenset[str]


def _traces(api: Client) -> Traces:
    with maintenance_connection(api, NAMESPACE) as connection:
        databases = tuple(row[0] for row in connection.execute("select datname from pg_database order by oid"))
    workloads = [api.get(Deployment, name, namespace=NAMESPACE) for name in ("participant", "validator-app")]
    generations = tuple(one.metadata.generation if one.metadata else None for one in workloads)
    # Jobs of a schedule come and go by the clock; those of requests are what counts.
    jobs = frozenset(
        name
        for job in api.list(Job, namespace=NAMESPACE)
        if (name := (job.metadata.name if job.metadata else None) or "").startswith(("acme-restore-", "acme-import-"))
    )
    return Traces(databases, generations, jobs)


@pytest.mark.parametrize(
    ("backup", "error"),
    [
        ({"cronn": "0 * * * *"}, "validators[0].backup.cronn: is an unknown field (cron is meant?);"),
        ({"cron": "61 * * * *"}, "validators[0].backup.cron: '61 * * * *' is no cron expression that Kubernetes"),
        ({"retention": 0}, "validators[0].backup.retention: "),
        (
            {"volume": {"storageClass": "standard", "retention": {"keep": 0}}},
            "validators[0].backup.volume.retention.keep: found 0; allowed: 1 or more",
        ),
    ],
    ids=["unknown field", "cron", "misplaced retention", "retention below 1"],
)
def test_the_stack_file(unchanged_stack: DeclaredStack, backup: dict[str, Any], error: str) -> None:
    stack = unchanged_stack
    stack.declare_backup(**backup)
    before = _traces(stack.api)
    for command in (("preview",), ("up", "--yes", "--skip-preview")):
        refused = stack.pulumi(*command)
        assert refused.code != 0
        assert error in refused.told
    assert _traces(stack.api) == before


@pytest.mark.parametrize(
    ("request_blocks", "error"),
    [
        ({"restore": {"set": "20200101t000000z"}}, "20200101t000000z"),
        ({"restore": {"set": "yesterday"}}, "restore.set: found 'yesterday'; allowed: latest, an id such as"),
        ({"restore": {"set": "latest", "validator": "nobody"}}, "restore.validator: found 'nobody'; allowed: acme"),
        ({"identityImport": {"dump": "20200101t000000z", "newParticipantIdentifier": "fresh"}}, "20200101t000000z"),
        (
            {"identityImport": {"dump": "latest", "newParticipantIdentifier": "acme-validator-1"}},
            "identityImport.newParticipantIdentifier: 'acme-validator-1' was used before",
        ),
    ],
    ids=["unknown set", "no set at all", "unknown validator", "unknown dump", "reused participant identifier"],
)
def test_requests(unchanged_stack: DeclaredStack, request_blocks: dict[str, dict[str, Any]], error: str) -> None:
    stack = unchanged_stack
    _have_a_set(stack)
    given = {"validator": VALIDATOR, "requestId": "refused"}
    stack.declare(**{name: given | fields for name, fields in request_blocks.items()})
    before = _traces(stack.api)
    for command in (("preview",), ("up", "--yes", "--skip-preview")):
        refused = stack.pulumi(*command)
        assert refused.code != 0
        assert error in refused.told
    assert _traces(stack.api) == before


def test_a_validator_that_is_down_gives_no_dump(stack: DeclaredStack) -> None:
    with _stopped(stack.api, NAMESPACE, "validator-app"):
        dumps = _dump_secrets(stack.api)
        failed = stack.catalyx_dr("run", "identity-dump")
        assert failed.code == 1
        assert "http://validator-app:5003" in failed.told
        assert _dump_secrets(stack.api) == dumps
    record = ClusterRecords(Cluster(stack.api, NAMESPACE)).list(VALIDATOR, RecordKind.IDENTITY_DUMP)[0]
    assert record.status is RecordStatus.FAILED


def test_a_store_that_cannot_be_reached_fails_the_backup_before_it_dumps(stack: DeclaredStack) -> None:
    with _stopped(stack.api, SHARED_NAMESPACE, "s3"):
        failed = stack.catalyx_dr("run", "backup")
        assert failed.code == 1
        assert "http://s3.platform.svc.cluster.local:7070" in failed.told
        assert "failed in phase 'check': could not list in bucket 'canton-backups'" in failed.told
    assert stack.catalyx_dr("run", "backup").code == 0, "the next run recovers by itself"


def test_a_store_that_cannot_be_reached_stops_a_restore_before_anything_is_touched(
    unchanged_stack: DeclaredStack,
) -> None:
    stack = unchanged_stack
    assert stack.catalyx_dr("run", "backup").code == 0
    latest = ClusterRecords(Cluster(stack.api, NAMESPACE)).list(VALIDATOR, RecordKind.BACKUP_SET)[0].identifier
    stack.declare(
        restore={
            "validator": VALIDATOR,
            "set": latest,
            "requestId": f"no-store-{latest}",
            "source": "bucket",
            "ageIdentity": stack.age_identity_in_cluster(),
        }
    )
    with _stopped(stack.api, SHARED_NAMESPACE, "s3"):
        before = _traces(stack.api)
        failed = stack.up()
        assert failed.code != 0
        assert "http://s3.platform.svc.cluster.local:7070" in failed.told
        after = _traces(stack.api)
    assert (after.databases, after.generations) == (before.databases, before.generations)


def test_a_dump_without_content_stops_an_import_before_anything_is_touched(unchanged_stack: DeclaredStack) -> None:
    stack = unchanged_stack
    dump = _newest_dump(stack)
    kept = stack.api.get(Secret, f"acme-identities-{dump}", namespace=NAMESPACE)
    _put_dump(stack.api, kept, {name: value for name, value in (kept.data or {}).items() if name != "content"})
    identifier = f"{deployed_identifier(stack.api, NAMESPACE)}-b"
    stack.declare(
        identityImport={
            "validator": VALIDATOR,
            "dump": dump,
            "newParticipantIdentifier": identifier,
            "requestId": f"no-content-{dump}",
            "source": "cluster",
        }
    )
    before = _traces(stack.api)
    try:
        failed = stack.up()
    finally:
        _put_dump(stack.api, kept, dict(kept.data or {}))
    assert failed.code != 0
    assert f"Secret validator-1/acme-identities-{dump} has no key content" in failed.told
    after = _traces(stack.api)
    assert (after.databases, after.generations) == (before.databases, before.generations)


def _have_a_set(stack: DeclaredStack) -> None:
    """Without any record a preview leaves it to the Job to look for sets."""
    if not ClusterRecords(Cluster(stack.api, NAMESPACE)).list(VALIDATOR, RecordKind.BACKUP_SET):
        assert stack.catalyx_dr("run", "backup").code == 0


def _newest_dump(stack: DeclaredStack) -> str:
    assert stack.catalyx_dr("run", "identity-dump").code == 0
    return ClusterRecords(Cluster(stack.api, NAMESPACE)).list(VALIDATOR, RecordKind.IDENTITY_DUMP)[0].identifier


def _put_dump(api: Client, kept: Secret, data: dict[str, str]) -> None:
    metadata = kept.metadata or ObjectMeta()
    name = metadata.name or ""
    api.delete(Secret, name, namespace=NAMESPACE)
    again = ObjectMeta(name=name, namespace=NAMESPACE, labels=metadata.labels, annotations=metadata.annotations)
    api.create(Secret(metadata=again, data=data, immutable=True, type=kept.type))


def _dump_secrets(api: Client) -> set[str]:
    names = (secret.metadata.name if secret.metadata else None for secret in api.list(Secret, namespace=NAMESPACE))
    return {name for name in names if name and name.startswith("acme-identities-")}


@contextmanager
def _stopped(api: Client, namespace: str, name: str) -> Iterator[None]:
    """A Deployment without pods; back again afterwards."""
    _scale(api, namespace, name, 0)

    def gone() -> bool:
        return not list(api.list(Pod, namespace=namespace, labels={"app": name}))

    try:
        wait_until(gone, f"the end of {namespace}/{name}'s pods", PATIENCE_SECONDS, "")
        yield
    finally:
        _scale(api, namespace, name, 1)
        wait_ready(api, Deployment, namespace, name)
        platform.up()


def _scale(api: Client, namespace: str, name: str, replicas: int) -> None:
    api.patch(Deployment, name, {"spec": {"replicas": replicas}}, namespace=namespace)
