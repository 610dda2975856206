"""What a change of the stack file does: exactly that, in place; by the clock too; and what a removal leaves."""

import json
import re
from datetime import UTC, datetime
from functools import partial

import pytest
from lightkube.resources.batch_v1 import CronJob
from lightkube.resources.core_v1 import PersistentVolumeClaim

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.model.record import RecordKind, RecordStatus
from dev.cluster.waiting import wait_until
from dev.local_stack import VALIDATOR
from dev.platform import NAMESPACE
from tests.end_to_end.declared_stack import DeclaredStack

pytestmark = pytest.mark.cluster
_NEXT_MINUTES_SECONDS = 180.0


def test_a_second_up_changes_nothing(stack: DeclaredStack) -> None:
    again = stack.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert again.code == 0


def test_a_changed_cron_expression_shows_as_just_that_and_updates_in_place(unchanged_stack: DeclaredStack) -> None:
    stack = unchanged_stack
    stack.declare_backup(cron="7 */3 * * *")
    changes = _planned_changes(stack)
    assert changes == {
        "acme-backup": {"spec.schedule", "spec.jobTemplate.spec.activeDeadlineSeconds", "recovery-point"},
        "catalyx-dr-acme": {"data"},
    }
    before = _cron_job(stack)
    updated = stack.up()
    assert updated.code == 0
    assert "~ 2 updated" in updated.told
    after = _cron_job(stack)
    assert after.spec is not None
    assert after.spec.schedule == "7 */3 * * *"
    assert _uid(after) == _uid(before)


def test_a_changed_retention_shows_as_just_that_and_updates_in_place(unchanged_stack: DeclaredStack) -> None:
    stack = unchanged_stack
    stack.up()
    volume = stack.validator["backup"]["volume"]
    stack.declare_backup(volume=volume | {"retention": {"keep": 4}})
    assert _planned_changes(stack) == {"catalyx-dr-acme": {"data"}}
    updated = stack.up()
    assert updated.code == 0
    assert "~ 1 updated" in updated.told
    assert _volume_size(stack) == "3Gi", "a volume never shrinks"


def test_both_schedules_run_by_the_clock(unchanged_stack: DeclaredStack) -> None:
    stack = unchanged_stack
    begun = datetime.now(UTC)
    stack.declare_backup(cron="* * * * *")
    stack.declare_dump(cron="* * * * *")
    assert stack.up().code == 0
    records = ClusterRecords(Cluster(stack.api, NAMESPACE))

    def completed(kind: RecordKind) -> bool:
        since = [record for record in records.list(VALIDATOR, kind) if record.started >= begun]
        return any(record.status is RecordStatus.COMPLETED for record in since)

    try:
        for kind in (RecordKind.BACKUP_SET, RecordKind.IDENTITY_DUMP):
            wait_until(partial(completed, kind), f"a {kind} by the clock", _NEXT_MINUTES_SECONDS, "")
    finally:
        stack.declare_backup()
        stack.declare_dump()
        assert stack.up().code == 0


def test_destroy_leaves_every_backup_and_says_so(stack: DeclaredStack) -> None:
    records = ClusterRecords(Cluster(stack.api, NAMESPACE))
    assert stack.catalyx_dr("run", "backup").code == 0
    before = {record.object_name for record in records.list(VALIDATOR)}
    claim = _uid(stack.api.get(PersistentVolumeClaim, "acme-backups", namespace=NAMESPACE))

    previewed = stack.pulumi("destroy", "--preview-only")
    destroyed = stack.pulumi("destroy", "--yes", "--skip-preview")

    assert previewed.code == destroyed.code == 0
    places = "claim validator-1/acme-backups; s3://canton-backups/acme/; Secrets validator-1/acme-identities-*"
    for told in (previewed.told, destroyed.told):
        assert re.search(rf"acme: {re.escape(places)}; records in validator-1 .*\[retain\]", told)
    assert {record.object_name for record in records.list(VALIDATOR)} == before
    assert _uid(stack.api.get(PersistentVolumeClaim, "acme-backups", namespace=NAMESPACE)) == claim
    assert not [job for job in stack.api.list(CronJob, namespace=NAMESPACE) if _name(job).startswith("acme-")]

    assert stack.up().code == 0, "what destroy left is taken over again"
    assert _uid(stack.api.get(PersistentVolumeClaim, "acme-backups", namespace=NAMESPACE)) == claim
    latest = records.list(VALIDATOR, RecordKind.BACKUP_SET)[0].identifier
    stack.declare(restore={"validator": VALIDATOR, "set": latest, "requestId": "only-a-preview"})
    planned = stack.pulumi("preview")
    stack.declare(restore=None)
    assert planned.code == 0
    assert latest in planned.told


def _planned_changes(stack: DeclaredStack) -> dict[str, set[str]]:
    """Fields that a preview would change, by resource; a replacement or removal is none that is expected here."""
    preview = stack.pulumi("preview", "--json")
    assert preview.code == 0
    steps = json.loads(preview.told[preview.told.index("{\n") :])["steps"]
    changed = [step for step in steps if step["op"] != "same"]
    assert {step["op"] for step in changed} <= {"update"}
    return {step["urn"].rpartition("::")[2]: {_field(path) for path in step["detailedDiff"] or {}} for step in changed}


def _field(path: str) -> str:
    """A path as one reads it, however the plugin quotes keys with a slash."""
    if path.startswith("data"):
        return "data"
    return "recovery-point" if "recovery-point" in path else path


def _cron_job(stack: DeclaredStack) -> CronJob:
    return stack.api.get(CronJob, "acme-backup", namespace=NAMESPACE)


def _volume_size(stack: DeclaredStack) -> str | None:
    claim = stack.api.get(PersistentVolumeClaim, "acme-backups", namespace=NAMESPACE)
    requests = claim.spec.resources.requests if claim.spec and claim.spec.resources else None
    return (requests or {}).get("storage")


def _uid(resource: CronJob | PersistentVolumeClaim) -> str | None:
    return resource.metadata.uid if resource.metadata else None


def _name(resource: CronJob) -> str:
    return (resource.metadata.name if resource.metadata else None) or ""
