"""Recoveries that are interrupted from outside: the laptop is gone, the API server away, the pod deleted."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import cast
from uuid import uuid4

import psycopg
import pytest
from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Pod
from psycopg import sql

from catalyx_dr.adapters import jobs, workloads
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.target import Workload
from catalyx_dr.rules.identity_history import IDENTIFIER_USED
from dev import cluster, platform, validator_operator
from dev.cluster.waiting import wait_until
from dev.local_stack import VALIDATOR
from dev.platform import NAMESPACE, PARTY_HINT
from dev.platform.databases import maintenance_connection
from dev.platform.objects import deployed_identifier
from dev.platform.reaching import reached
from dev.steps import StepError
from dev.toolchain import kubectl
from tests.end_to_end.declared_stack import DeclaredStack

pytestmark = pytest.mark.cluster
_PATIENCE_SECONDS = 180.0
# A pod that is deleted has this long to tidy up, which is not always enough.
_GRACE_SECONDS = 1
_LONGEST_MOMENT_SECONDS = 10.0


@dataclass(frozen=True)
class Interrupted:
    """The stack with one set, and the balance in it."""

    stack: DeclaredStack
    balance: Decimal

    @property
    def api(self) -> Client:
        return self.stack.api

    @property
    def wallet(self) -> platform.Wallet:
        return platform.Wallet(self.api, NAMESPACE)

    def record(self, kind: RecordKind, request: str) -> Record | None:
        return ClusterRecords(Cluster(self.api, NAMESPACE)).find(kind, VALIDATOR, request)

    def ask_for_restore(self) -> str:
        """Declare a restore of the set after something has changed; returns the request id."""
        self.wallet.tap("25.0")
        assert self.wallet.balance() != self.balance
        request = f"interrupted-{uuid4().hex[:8]}"
        self.stack.declare(restore={"validator": VALIDATOR, "set": "latest", "requestId": request})
        return request

    def wait_for(self, kind: RecordKind, request: str, condition: Callable[[Record], bool]) -> None:
        """Return when the record of a request is as wanted."""

        def is_met() -> bool:
            record = self.record(kind, request)
            return record is not None and condition(record)

        wait_until(is_met, f"that {kind} {request} is so far", _PATIENCE_SECONDS, "")

    def job(self, operation: str, request: str) -> str | None:
        """Uid of a request's Job: another one would be another run."""
        metadata = self.api.get(Job, _job_name(operation, request), namespace=NAMESPACE).metadata
        return metadata.uid if metadata else None

    def put_back(self) -> None:
        """Whatever a test left: no recovery goes on, no lock is held, and the validator runs on its databases."""
        here = Cluster(self.api, NAMESPACE)
        for job in self.api.list(Job, namespace=NAMESPACE):
            name = (job.metadata.name if job.metadata else None) or ""
            if name.startswith((f"{VALIDATOR}-restore-", f"{VALIDATOR}-import-")):
                jobs.remove(here, name)
        self.stack.pulumi("cancel", "--yes")
        for name in ("participant", "validator-app"):
            workloads.start(here, Workload(name=name))
        try:
            platform.up()
        except StepError:  # an import that was cut off has left nothing that could start: only a new validator can
            platform.wreck(self.api, NAMESPACE)
            platform.up()

    def databases(self, beginning: str) -> list[str]:
        with maintenance_connection(self.api, NAMESPACE) as connection:
            return _databases(connection, beginning)


@pytest.fixture(scope="module")
def captured(stack: DeclaredStack) -> Interrupted:
    """One set of the validator as it is now."""
    balance = platform.Wallet(stack.api, NAMESPACE).balance()
    assert stack.catalyx_dr("run", "backup").code == 0
    return Interrupted(stack, balance)


@pytest.fixture
def interrupted(captured: Interrupted, unchanged_stack: DeclaredStack) -> Iterator[Interrupted]:
    assert captured.stack is unchanged_stack
    yield captured
    captured.put_back()


@pytest.mark.skipif(cluster.external_kubeconfig() is not None, reason="its API server is not ours to stop")
def test_restore_outlives_an_api_server_that_is_away_seen_by_its_job_and_by_the_update(
    interrupted: Interrupted,
) -> None:
    stack, request = interrupted.stack, interrupted.ask_for_restore()
    kept = len(interrupted.databases("replaced_"))
    with (
        _someone_in(interrupted.api, "participant") as someone,
        maintenance_connection(interrupted.api, NAMESPACE) as watched,
        stack.running_up() as update,
    ):
        interrupted.wait_for(RecordKind.RESTORE, request, lambda record: record.phase == "swap the databases")
        with cluster.without_api_server():
            update.wait_for("the Kubernetes API does not answer; what runs in the cluster goes on")
            someone.close()
            wait_until(lambda: len(_databases(watched, "replaced_")) == kept + 2, "the swap", _PATIENCE_SECONDS, "")
        assert update.end() == 0

    assert "the Kubernetes API does not answer; it is asked again for up to" in update.told, "its Job went on too"
    assert interrupted.wallet.balance() == interrupted.balance
    assert cluster.is_up()


def test_restore_whose_pod_is_deleted_at_any_moment_is_completed_by_the_next_up(interrupted: Interrupted) -> None:
    stack, request = interrupted.stack, interrupted.ask_for_restore()
    kept = len(interrupted.databases("replaced_"))
    moment = random.uniform(0, _LONGEST_MOMENT_SECONDS)  # noqa: S311 - any will do
    with stack.running_up() as update:
        pod = _pod_of(interrupted.api, _job_name("restore", request))
        time.sleep(moment)
        interrupted.api.delete(Pod, pod, namespace=NAMESPACE, grace_period=_GRACE_SECONDS)
        print(f"deleted pod {pod} {moment:.1f} s after it was there")
        first = update.end()
    if first:
        assert f"restore {request} of {VALIDATOR}" in update.told, "it says what failed"
        assert "the next pulumi up runs the same request again" in update.told

    second = stack.up()

    assert second.code == 0
    record = interrupted.record(RecordKind.RESTORE, request)
    assert record is not None
    assert record.status is RecordStatus.COMPLETED
    assert interrupted.wallet.balance() == interrupted.balance
    assert len(interrupted.databases("replaced_")) == kept + 2
    assert interrupted.databases("loading_") == []


def test_import_through_a_vendors_resource_outlives_a_killed_update(interrupted: Interrupted) -> None:
    stack, api = interrupted.stack, interrupted.api
    request, identifier = f"import-{uuid4().hex[:8]}", f"{PARTY_HINT}-{uuid4().hex[:8]}"
    balance = interrupted.wallet.balance()
    party = interrupted.wallet.validator_user()["party_id"]
    assert stack.catalyx_dr("run", "identity-dump").code == 0
    resource = validator_operator.RESOURCE(
        metadata=ObjectMeta(name=VALIDATOR, namespace=NAMESPACE),
        spec={"partyHint": PARTY_HINT, "nodeIdentifier": deployed_identifier(api, NAMESPACE)},
    )
    with validator_operator.defined(api), validator_operator.ValidatorOperator(api, NAMESPACE).running():
        api.create(resource)
        stack.declare_validator(
            target={
                "kind": "custom-resource",
                "apiVersion": "canton.operator.example/v1",
                "resourceKind": validator_operator.KIND,
                "name": VALIDATOR,
                "autoInitOff": {"participant": {"autoInit": False}},
                "scanUrl": stack.validator["target"]["scanUrl"],
            }
        )
        stack.declare(
            identityImport={
                "validator": VALIDATOR,
                "dump": "latest",
                "newParticipantIdentifier": identifier,
                "requestId": request,
                "apply": "custom-resource",
            }
        )
        platform.wreck(api, NAMESPACE)
        with stack.running_up() as update:
            interrupted.wait_for(RecordKind.IDENTITY_IMPORT, request, lambda record: IDENTIFIER_USED in record.details)
            update.kill()
        started = interrupted.job("import", request)
        assert stack.pulumi("cancel", "--yes").code == 0
        completed = stack.up()
        patched = api.get(validator_operator.RESOURCE, VALIDATOR, namespace=NAMESPACE)

    assert completed.code == 0
    assert "is there already and is watched" in completed.told or "was completed at" in completed.told
    assert interrupted.job("import", request) == started, "nothing was done twice"
    record = interrupted.record(RecordKind.IDENTITY_IMPORT, request)
    assert record is not None
    assert "scan" in cast("list[str]", record.details["provenBy"])
    assert record.details["participantId"] == f"PAR::{identifier}::{party.split('::')[1]}"
    assert interrupted.wallet.validator_user()["party_id"] == party
    assert interrupted.wallet.balance() >= balance, "the network also knows what came after restored sets"
    assert deployed_identifier(api, NAMESPACE) == identifier
    assert patched["spec"]["participantIdentitiesDumpImport"]["newParticipantIdentifier"] == identifier
    assert patched["status"]["phase"] == "Importing"


@contextmanager
def _someone_in(api: Client, database: str) -> Iterator[psycopg.Connection]:
    """A session of somebody else's, which keeps a database from being renamed until it is closed."""
    name, password = f"someone_{uuid4().hex[:8]}", uuid4().hex
    _as_superuser(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    try:
        with (
            reached(api, NAMESPACE, "postgres", 5432) as (host, port),
            psycopg.connect(host=host, port=port, user=name, password=password, dbname=database) as connection,
        ):
            yield connection
    finally:
        _as_superuser(f"DROP ROLE {name}")


def _as_superuser(statement: str) -> None:
    program = ["psql", "--host=/tmp", "--username=postgres", "--dbname=postgres", "--command", statement]
    words = [str(kubectl()), "--kubeconfig", str(cluster.kubeconfig_path()), "exec", "-n", NAMESPACE, "postgres-0"]
    subprocess.run([*words, "--", *program], check=True, stdout=subprocess.DEVNULL)


def _databases(connection: psycopg.Connection, beginning: str) -> list[str]:
    query = sql.SQL("select datname from pg_database where starts_with(datname, {})").format(beginning)
    return [str(name) for (name,) in connection.execute(query).fetchall()]


def _job_name(operation: str, request: str) -> str:
    return ObjectNames(VALIDATOR, NAMESPACE).job(operation, request)


def _pod_of(api: Client, job: str) -> str:
    """Name of the Job's pod as soon as there is one."""
    found: list[str] = []

    def is_there() -> bool:
        pods = api.list(Pod, namespace=NAMESPACE, labels={"job-name": job})
        found.extend(pod.metadata.name for pod in pods if pod.metadata and pod.metadata.name)
        return bool(found)

    wait_until(is_there, f"a pod of {job}", _PATIENCE_SECONDS, "")
    return found[0]
