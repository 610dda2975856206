"""PostgreSQL servers of a validator in the local cluster: StatefulSets with claims, and databases in them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from tenacity import retry, stop_after_delay, wait_fixed

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.volume_snapshots import ClusterSnapshots
from catalyx_dr.model.backup import DatabaseBackup, VolumeSnapshots
from catalyx_dr.model.databases import Database, Databases, DatabaseServer, ServerVolume
from catalyx_dr.model.proofs import Drill
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.target import SpliceHelmTarget
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.surroundings import Surroundings
from tests.fixtures_postgres import PARTICIPANT_TABLES, VALIDATOR_TABLES
from tests.fixtures_validator import Clock
from tests.local_cluster.pods import Kubectl, as_service_account

TEST_PATIENCE = timedelta(minutes=2)
PASSWORD = "a-password-of-a-test"  # noqa: S105
NO_RIGHTS = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@dataclass
class Servers:
    """A validator whose databases are on servers of the cluster; `both`: one server holds both databases."""

    kubectl: Kubectl
    cluster: Cluster
    folder: Path
    both: bool
    clock: Clock = field(default_factory=Clock)

    @property
    def names(self) -> tuple[str, str]:
        return ("both-pg", "both-pg") if self.both else ("app-pg", "participant-pg")

    def make(self) -> None:
        for name in sorted(set(self.names)):
            assert self.kubectl("apply", "-f", "-", document=server(name)).returncode == 0
        for name in sorted(set(self.names)):
            done = self.kubectl("rollout", "status", f"statefulset/{name}", "--timeout=120s")
            assert done.returncode == 0, self.kubectl("describe", "pod", f"{name}-0").stdout
        for name, database, tables in zip(
            self.names, ("cantonnet_validator", "participant"), (VALIDATOR_TABLES, PARTICIPANT_TABLES), strict=True
        ):
            with self.connection(name, "cantonnet") as connection:
                connection.execute(f'CREATE DATABASE "{database}"'.encode())
            with self.connection(name, database) as connection:
                connection.execute(tables.encode())

    def address(self, name: str) -> str:
        return self.kubectl("get", "pod", f"{name}-0", "-o=jsonpath={.status.podIP}").stdout

    @retry(stop=stop_after_delay(30), wait=wait_fixed(0.3), reraise=True)
    def connection(self, name: str, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self.address(name), user="cnadmin", password=PASSWORD, dbname=database, autocommit=True
        )

    def run(self, name: str, database: str, query: str) -> None:
        with self.connection(name, database) as connection:
            connection.execute(query.encode())

    def spec(self, snapshot_class: str = "standard", **settings: Any) -> ValidatorSpec:
        app, participant = (
            DatabaseServer(host=self.address(name), volume=ServerVolume(claim=f"pg-data-{name}-0", stateful_set=name))
            for name in self.names
        )
        return ValidatorSpec(
            name="acme",
            namespace=self.cluster.namespace,
            party_hint="acme-validator-1",
            node_identifier="acme-validator-1",
            databases=Databases(
                server=app,
                validator_app=Database(
                    name="cantonnet_validator", schema_name="validator", storage=Quantity.parse("1Gi")
                ),
                participant=Database(
                    name="participant",
                    schema_name="participant",
                    storage=Quantity.parse("1Gi"),
                    server=None if self.both else participant,
                ),
            ),
            target=SpliceHelmTarget(scan_url="http://scan:5012"),
            workloads=(),
            drill=Drill(cron="0 4 * * 6", source="snapshot"),
            backup=DatabaseBackup(
                cron="0 */4 * * *",
                method="snapshot",
                snapshot=VolumeSnapshots(
                    volume_snapshot_class=snapshot_class, **({"retention": Retention(keep=2)} | settings)
                ),
            ),
        )

    @property
    def surroundings(self) -> Surroundings:
        files = SecretFiles(self.folder / "secrets")
        path = files.path("postgres-secrets", "postgresPassword")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PASSWORD)
        return Surroundings(records=ClusterRecords(self.cluster), secrets=files, scratch=self.folder, now=self.clock)

    @contextmanager
    def allowed(self, name: str, rules: list[Any]) -> Iterator["Servers"]:
        """The same for a service account with the rules of a Role."""
        written = [
            {
                "apiGroups": rule.api_groups,
                "resources": rule.resources,
                "verbs": rule.verbs,
                **({"resourceNames": rule.resource_names} if rule.resource_names else {}),
            }
            for rule in rules
        ]
        with closing(as_service_account(self.kubectl, name, written)) as cluster:
            yield replace(self, cluster=cluster)

    @property
    def store(self) -> ClusterSnapshots:
        return ClusterSnapshots(self.cluster, "acme")


def server(name: str) -> dict[str, Any]:
    container = {
        "name": "postgres",
        "image": "localhost/catalyx-dr/postgres:dev",
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "CNADMIN_PASSWORD", "value": PASSWORD}],
        "securityContext": NO_RIGHTS,
        "readinessProbe": {"exec": {"command": ["pg_isready", "-h", "127.0.0.1"]}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "pg-data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
        ],
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 70,
            "runAsGroup": 70,
            "fsGroup": 70,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "shm", "emptyDir": {"medium": "Memory"}}],
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "400Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
            # The hardest for whoever has to stop it and keep its data.
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Delete"},
            "volumeClaimTemplates": [{"metadata": {"name": "pg-data"}, "spec": claim}],
        },
    }
