"""Every runbook, followed to the letter on the local platform after the disaster that it is for."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
from lightkube import Client
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import ConfigMap, PersistentVolume, PersistentVolumeClaim
from lightkube.resources.rbac_authorization_v1 import ClusterRole, ClusterRoleBinding

from catalyx_dr.adapters.cluster import FIELD_MANAGER, MANAGED_BY, VALIDATOR_LABEL, Cluster, connect
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.adapters.volume_snapshots import ClusterSnapshots
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from dev import platform
from dev.cluster import kubeconfig_path
from dev.cluster.lifecycle import external_kubeconfig
from dev.cluster.waiting import wait_until
from tests.runbooks.conftest import INSTALL, NAMESPACE, VALIDATOR, Rescue, run_id
from tests.runbooks.page import FOLDER, Page
from tests.running_update import running_update

on_the_platform = pytest.mark.cluster


@on_the_platform
def test_database_lost(rescue: Rescue) -> None:
    before = rescue.capture()
    rescue.wallet.tap("25.0")
    platform.wreck(rescue.api, NAMESPACE)

    told = rescue.follow("database-lost")

    assert rescue.wallet.balance() == before
    assert "nothing wrong found" in told


@on_the_platform
def test_volume_lost(rescue: Rescue) -> None:
    before = rescue.capture()
    rescue.api.delete(PersistentVolumeClaim, f"{VALIDATOR}-backups", namespace=NAMESPACE)

    told = rescue.follow("volume-lost", AGE_IDENTITY=str(rescue.identity), **_DATABASE)

    assert rescue.wallet.balance() == before
    assert "in volume and bucket" in " ".join(told.split())


@on_the_platform
def test_keys_compromised(rescue: Rescue) -> None:
    file = rescue.stack.folder / f"age-identity-{run_id()}.txt"
    told = rescue.follow("keys-compromised", INDEX="0", NEW_IDENTITY=str(file))
    rescue.identity = file
    assert "is encrypted to the new recipient alone" in told


@on_the_platform
def test_namespace_deleted(rescue: Rescue) -> None:
    before = rescue.capture()
    platform.delete_namespace(rescue.api, NAMESPACE)

    told = rescue.follow("namespace-deleted", INSTALL=INSTALL, AGE_IDENTITY=str(rescue.identity))

    assert rescue.wallet.balance() == before
    assert "in volume and bucket" in " ".join(told.split())


@on_the_platform
def test_cluster_lost(rescue: Rescue) -> None:
    before = rescue.capture()
    platform.delete_namespace(rescue.api, NAMESPACE)
    shutil.rmtree(rescue.stack.folder / "state")
    (rescue.stack.folder / "state").mkdir()
    wait_until(lambda: _left_in_the_cluster(rescue.api) == [], "the end of all that was ours", 60.0, "")

    rescue.follow(
        "cluster-lost",
        STACK="local",
        INSTALL=INSTALL,
        AGE_IDENTITY=str(rescue.identity),
        NEW_CLUSTER=str(kubeconfig_path()),
    )

    assert rescue.wallet.balance() == before


def _left_in_the_cluster(api: Client) -> list[str]:
    """What a cluster that never knew the validator would not have: volumes, roles, kinds, and what is labelled so."""
    volumes = [
        str(one.metadata.name)
        for one in api.list(PersistentVolume)
        if one.metadata and one.spec and one.spec.claimRef and one.spec.claimRef.namespace == NAMESPACE
    ]
    known = (ClusterRole, ClusterRoleBinding, CustomResourceDefinition)
    wide = [str(one) for kind in known for one in api.list(kind, labels={MANAGED_BY: FIELD_MANAGER})]
    records = api.list(ConfigMap, namespace="*", labels={MANAGED_BY: FIELD_MANAGER, VALIDATOR_LABEL: VALIDATOR})
    return [*volumes, *wide, *map(str, records)]


_LOCKED = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the "
    "lock file with `pulumi cancel`."
)


@on_the_platform
def test_interrupted(rescue: Rescue) -> None:
    before = rescue.capture()
    rescue.wallet.tap("25.0")
    request = f"interrupted-{run_id()}"
    rescue.stack.declare(restore={"validator": VALIDATOR, "set": "latest", "requestId": request})
    with running_update(rescue.stack.folder, rescue.stack.environment) as update:
        update.wait_for("started")
        update.kill()
    job = ObjectNames(VALIDATOR, NAMESPACE).job("restore", request)
    started = rescue.api.get(Job, job, namespace=NAMESPACE).metadata
    locked = subprocess.run(
        ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"],
        cwd=rescue.stack.folder,
        env=rescue.stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert locked.returncode != 0

    told = rescue.follow("interrupted")

    quoted = (FOLDER / "interrupted.md").read_text()
    for said, message in (
        (locked.stdout + locked.stderr, _LOCKED),
        (told, "warning: Attempting to deploy or update resources with 1 pending operations from previous deployment."),
    ):
        assert message in said
        assert message in quoted, "who searches for it finds the page"
    assert "is there already and is watched" in told or "was completed at" in told
    ended = rescue.api.get(Job, job, namespace=NAMESPACE).metadata
    assert (ended and ended.uid) == (started and started.uid), "nothing was done twice"
    assert rescue.wallet.balance() == before
    rescue.stack.declare(restore=None)


@on_the_platform
def test_wrong_restore(rescue: Rescue) -> None:
    rescue.capture()
    rescue.wallet.tap("25.0")
    wanted, request = rescue.wallet.balance(), f"wrong-{run_id()}"
    rescue.stack.declare(restore={"validator": VALIDATOR, "set": "latest", "requestId": request})
    rescue.stack.show("pulumi", "up", "--yes", "--skip-preview")
    assert rescue.wallet.balance() < wanted

    rescue.follow("wrong-restore", REQUEST=request)
    assert rescue.wallet.balance() == wanted

    rescue.stack.show("catalyx-dr", "rollback", "--namespace", NAMESPACE, "--request", request, "--undo")
    assert rescue.wallet.balance() < wanted


@on_the_platform
@pytest.mark.skipif(external_kubeconfig() is not None, reason="needs the local cluster's driver")
def test_large_database_lost(rescue: Rescue) -> None:
    with _by_snapshot(rescue):
        before = rescue.capture()
        taken = _newest(RecordKind.BACKUP_SET)
        rescue.stack.show("catalyx-dr", "run", "drill", "--namespace", NAMESPACE)
        drilled = _newest(RecordKind.DRILL)
        assert (drilled.details["set"], drilled.details["source"]) == (taken.identifier, "snapshot")
        lost = _volume(rescue.api)
        rescue.wallet.tap("25.0")
        platform.wreck(rescue.api, NAMESPACE)

        told = " ".join(rescue.follow("large-database-lost").split())

        assert rescue.wallet.balance() == before
        assert _volume(rescue.api) != lost
        # The same verdicts in the command, in the preview and in the Job.
        for told_as in (
            "pass: space: quota and limits",
            "space (quota and limits",
            "throw-away-servers (a pod as that",
        ):
            assert told_as in told
        assert f"set {taken.identifier}, taken" in told
        assert "it is restored into new claims and proven on throw-away servers" in told
        assert f"restore {VALIDATOR}-{taken.identifier}-databases into claim {VALIDATOR}-restored-databases-" in told
        assert f"its volume {lost} is kept" in told
        restored = _newest(RecordKind.RESTORE)
        rescue.stack.declare(
            restore={
                "validator": VALIDATOR,
                "source": "snapshot",
                "set": "latest",
                "requestId": restored.identifier,
            }
        )
        rescue.stack.show("pulumi", "up", "--yes", "--skip-preview", "--expect-no-changes")
        rescue.api.patch(PersistentVolume, lost, {"spec": {"persistentVolumeReclaimPolicy": "Delete"}})


@contextmanager
def _by_snapshot(rescue: Rescue) -> Iterator[None]:
    """Backups by snapshot; afterwards the stack is as before, and no snapshot is left."""
    former = rescue.stack.validator()
    server = former["databases"]["server"] | {"volume": {"claim": "pg-data-postgres-0", "statefulSet": "postgres"}}
    rescue.stack.declare_for_validator(
        databases=former["databases"] | {"server": server},
        backup={
            "method": "snapshot",
            "snapshot": {"volumeSnapshotClass": "standard"},
            "bucket": former["backup"]["bucket"],
        },
        drill={},
    )
    rescue.stack.show("pulumi", "up", "--yes", "--skip-preview")
    yield
    store = ClusterSnapshots(Cluster(rescue.api, NAMESPACE), VALIDATOR)
    for one in store.found():
        store.delete(one.name)
    rescue.stack.declare(restore=None, validators=[former])
    rescue.stack.show("pulumi", "up", "--yes", "--skip-preview")


def _newest(kind: RecordKind) -> Record:
    with closing(connect(NAMESPACE, str(kubeconfig_path()))) as cluster:
        return ClusterRecords(cluster).list(VALIDATOR, kind)[0]


def _volume(api: Client) -> str:
    claim = api.get(PersistentVolumeClaim, "pg-data-postgres-0", namespace=NAMESPACE)
    assert claim.spec is not None
    return str(claim.spec.volumeName)


# The last one: from here on the validator has another participant identifier than it is installed with.
@on_the_platform
def test_identifier_burnt(rescue: Rescue) -> None:
    before = rescue.capture()
    burnt = Record(
        kind=RecordKind.IDENTITY_IMPORT,
        identifier=f"import-{run_id()}",
        validator=VALIDATOR,
        status=RecordStatus.FAILED,
        phase="wait until the validator is ready",
        started=datetime.now(UTC),
        finished=datetime.now(UTC),
        message="after 900 s the validator is not ready",
        details={"identifierUsed": True, "newParticipantIdentifier": "orchid-burnt"},
    )
    with closing(connect(NAMESPACE, str(kubeconfig_path()))) as cluster:
        ClusterRecords(cluster).save(burnt)
    platform.wreck(rescue.api, NAMESPACE)

    told = rescue.follow("identifier-burnt", NEW_IDENTIFIER=f"orchid-{run_id()}")

    assert "identifier-burnt" in told
    # The network also knows what came after the sets that other tests restored.
    assert rescue.wallet.balance() >= before


_DATABASE = {"DATABASE_SET": "postgres", "DATABASE_CLAIM": "pg-data-postgres-0"}
_PAGES = sorted(path.stem for path in FOLDER.glob("*.md"))


@pytest.mark.parametrize("name", _PAGES)
def test_page_has_the_parts_that_people_look_for(name: str) -> None:
    text = (FOLDER / f"{name}.md").read_text()
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings[:4] == ["Symptom", "What you need", "Steps", "How you know that it worked"]
    assert Page.read(name).commands
    assert "NAMESPACE" in Page.read(name).filled_in


def test_every_page_is_followed_by_a_test() -> None:
    followed = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert set(_PAGES) <= followed
