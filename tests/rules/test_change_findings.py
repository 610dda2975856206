"""Changes of a stack file that would lose backups or mix up a recovery, each by the rule that finds it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from catalyx_dr.rules.environments import load_environment
from catalyx_dr.rules.policy import change_findings
from catalyx_dr.rules.policy.changes import CHANGE_RULES
from tests.rules.stack_corpus import bad

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIRST = "validators[0]"
BACKUP = f"{FIRST}.backup"
# Good stack, what changes in it, what is found.
CASES: list[tuple[str, dict[str, Any], str]] = [
    (
        "production",
        {"set": {f"{BACKUP}.volume.storageClass": "gp2"}},
        f"error DR080 {BACKUP}.volume: REPLACES the backup volume (storage class gp3 -> gp2): data loss",
    ),
    (
        "production",
        {"set": {f"{FIRST}.namespace": "elsewhere"}},
        f"error DR080 {BACKUP}.volume: REPLACES the backup volume (canton-acme -> elsewhere): data loss",
    ),
    (
        "production",
        {"remove": [f"{BACKUP}.volume"]},
        f"error DR080 {BACKUP}.volume: LEAVES the backup volume behind: the claim stays, but no job and no recovery "
        "uses its sets",
    ),
    (
        "production",
        {"set": {f"{BACKUP}.bucket.prefix": "new/"}},
        f"error DR081 {BACKUP}.bucket: LEAVES the backups of bucket acme-backups behind (prefix '' -> 'new/')",
    ),
    (
        "production",
        {"remove": [f"{BACKUP}.bucket"]},
        f"error DR081 {BACKUP}.bucket: captures no longer go to bucket acme-backups; what is there is no longer listed",
    ),
    (
        "production",
        {"remove": [f"{BACKUP}.bucket.objectLock"]},
        f"error DR081 {BACKUP}.bucket.objectLock: object lock is no longer declared: new copies can be deleted by "
        "anybody with write access",
    ),
    (
        "production",
        {"remove": ["validators[1]"]},
        "error DR082 validators: validator globex is no longer protected: its schedules end, its backups stay "
        "unmanaged",
    ),
    (
        "production",
        {"remove": [f"{FIRST}.identityDump"]},
        f"error DR082 {FIRST}.identityDump: identityDump is no longer scheduled",
    ),
    (
        "production",
        {"set": {f"{FIRST}.migrationId": 5}},
        f"error DR083 {FIRST}.migrationId: migrationId 0 -> 5: dumps and sets made before belong to the old one",
    ),
    (
        "recoveries",
        {"set": {"restore.set": "20261121t001000z"}},
        "error DR084 restore.requestId: the request changed, but requestId is still 'rollback-2026-11-24': it would "
        "not run again",
    ),
    (
        "recoveries",
        {"set": {"identityImport.requestId": "again"}},
        "error DR085 identityImport.newParticipantIdentifier: 'acme-validator-2-20261124' was used before: used by "
        "request lost-2026-11-24",
    ),
    (
        "production",
        {"set": {f"{BACKUP}.cron": "0 */6 * * *"}},
        f"warning DR086 {BACKUP}.recoveryPoint: the recovery point gets longer: 4h -> 6h",
    ),
]


def found(base: str, change: dict[str, Any]) -> list[str]:
    before, after = (load_environment(bad({"base": base} | case)) for case in ({}, change))
    return [f"{one.severity} {one.id} {one.path}: {one.reason}" for one in change_findings(before, after, NOW)]


@pytest.mark.parametrize(("base", "change", "told"), CASES, ids=lambda part: part[:40] if isinstance(part, str) else "")
def test_change_is_found(base: str, change: dict[str, Any], told: str) -> None:
    assert found(base, change) == [told]


@pytest.mark.parametrize("base", ["production", "critical", "development", "recoveries"])
def test_no_change_is_no_finding(base: str) -> None:
    assert found(base, {}) == []


@pytest.mark.parametrize(
    "change",
    [
        {"set": {f"{BACKUP}.volume.retention": {"keep": 20}}},
        {"set": {f"{BACKUP}.cron": "0 */2 * * *"}},
        {"set": {f"{BACKUP}.bucket.objectLock.retention": "3d"}},
        {"set": {"agent.image": "registry.acme.example/catalyx-dr:0.2.0"}},
    ],
)
def test_harmless_changes_are_none(change: dict[str, Any]) -> None:
    assert found("production", change) == []


def test_every_rule_has_a_case() -> None:
    assert {told.split()[1] for _, _, told in CASES} == {rule.text.id for rule in CHANGE_RULES}
