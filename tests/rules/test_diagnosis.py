"""Each diagnosis from facts alone: it is made when its cause is there, and a healthy validator has none."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.inside_facts import DatabaseLook, InsideFacts, Problem
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.rules.diagnosis import ClusterFacts, diagnose
from catalyx_dr.rules.diagnosis.facts import (
    ClaimFacts,
    EventFacts,
    JobEnd,
    JobFacts,
    PodFacts,
    SecretFacts,
    WorkloadFacts,
)
from catalyx_dr.rules.schedule_facts import ScheduleFacts
from tests.components.records import captured, record
from tests.components.specs import validator_spec

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
PARTICIPANT = "PAR::acme-validator-1::1220" + "ab" * 32
ANOTHER = "PAR::acme-validator-1::1220" + "cd" * 32
SPEC = validator_spec(
    backup={
        "volume": {"storageClass": "standard"},
        "bucket": {"name": "acme-backups", "provider": "s3-compatible", "endpoint": "https://s3.example"},
        "cron": "0 */4 * * *",
        "recoveryPoint": "4h",
    },
    identityDump={"cron": "0 0 * * *", "recoveryPoint": "1d"},
    api={"walletLogin": {}},
)
CREATED = NOW - timedelta(days=20)
LAST = {"acme-backup": NOW.replace(hour=12, minute=0), "acme-identity-dump": NOW.replace(hour=0, minute=0)}


def schedule(name: str, declared: str, **changes: Any) -> ScheduleFacts:
    return replace(ScheduleFacts(name, declared, "Etc/UTC", False, CREATED, LAST[name]), **changes)


def backup_set(age: timedelta = timedelta(minutes=30), **details: Any) -> Record:
    found = captured(RecordKind.BACKUP_SET, NOW - age, "volume", "bucket")
    return found.model_copy(update={"details": {"participantId": PARTICIPANT} | details, "bytes": 1000})


def dump(age: timedelta = timedelta(hours=12), **metadata: Any) -> Record:
    found = captured(RecordKind.IDENTITY_DUMP, NOW - age, "cluster", "bucket")
    return found.model_copy(update={"details": {"metadata": {"participantId": PARTICIPANT} | metadata}})


def failed(message: str, kind: RecordKind = RecordKind.BACKUP_SET, **details: Any) -> Record:
    found = record(kind, "20260301t122000z", NOW - timedelta(minutes=10), RecordStatus.FAILED, **details)
    return found.model_copy(update={"message": message, "phase": "check"})


def job(name: str = "acme-backup-1", end: JobEnd = JobEnd.FAILED, **changes: Any) -> JobFacts:
    return replace(JobFacts(name, NOW - timedelta(minutes=20), end, "acme-backup"), **changes)


def looked(**changes: Any) -> InsideFacts:
    facts: dict[str, Any] = {
        "databases": (
            DatabaseLook(role=DatabaseRole.VALIDATOR_APP, ledger_offset=200),
            DatabaseLook(role=DatabaseRole.PARTICIPANT, ledger_offset=200, participant_id=PARTICIPANT),
        ),
        "ready": True,
        "participant_id": PARTICIPANT,
        "volume_bytes": 10_000,
        "volume_free": 9_000,
    }
    return InsideFacts(**facts | changes)


CLAIM = ClaimFacts("acme-backups", "Bound", Quantity.parse("100Gi"), Quantity.parse("100Gi"), "standard", True)
NEEDED = SecretKey(name="postgres-secrets", key="postgresPassword")
HEALTHY = ClusterFacts(
    spec=SPEC,
    now=NOW,
    schedules=(schedule("acme-backup", "0 */4 * * *"), schedule("acme-identity-dump", "0 0 * * *")),
    jobs=(job(end=JobEnd.SUCCEEDED),),
    claim=CLAIM,
    secrets=(SecretFacts("postgres-secrets", frozenset({"postgresPassword"})),),
    needed_secrets=(NEEDED,),
    workloads=(WorkloadFacts("deployment/validator-app", True, 1, 1, node_identifier="acme-validator-1"),),
    records=(backup_set(), dump()),
    inside=looked(),
)
FULL = "/backups has 10 bytes free, and this set is expected to take 20; enlarge the volume"


def with_backup(**changes: Any) -> ClusterFacts:
    return replace(HEALTHY, schedules=(schedule("acme-backup", "0 */4 * * *", **changes), HEALTHY.schedules[1]))


def with_claim(**changes: Any) -> ClusterFacts:
    return replace(HEALTHY, claim=replace(CLAIM, **changes))


def with_pod(warning: EventFacts | None = None, end: JobEnd = JobEnd.ACTIVE, **changes: Any) -> ClusterFacts:
    pod = replace(PodFacts("pod-1", "acme-backup-1"), **changes)
    return replace(HEALTHY, jobs=(job(end=end),), pods=(pod,), events=(warning,) if warning else ())


def with_records(*records: Record) -> ClusterFacts:
    return replace(HEALTHY, records=records)


def with_workload(**changes: Any) -> ClusterFacts:
    return replace(HEALTHY, workloads=(replace(HEALTHY.workloads[0], **changes),))


def with_inside(**changes: Any) -> ClusterFacts:
    return replace(HEALTHY, inside=looked(**changes))


def problem(kind: str, text: str = "what it said") -> Problem:
    return Problem(kind=kind, text=text)


def app_offset(offset: int) -> ClusterFacts:
    app, participant = looked().databases
    return with_inside(databases=(app.model_copy(update={"ledger_offset": offset}), participant))


def lost_databases() -> ClusterFacts:
    gone = problem("UnreachableError", "PostgreSQL at postgres:5432 cannot be reached")
    return with_inside(databases=tuple(DatabaseLook(role=role, problem=gone) for role in DatabaseRole))


def no_identity() -> ClusterFacts:
    app, participant = looked().databases
    return with_inside(databases=(app, participant.model_copy(update={"participant_id": None})))


def running_restore() -> Record:
    found = record(RecordKind.RESTORE, "restore-1", NOW - timedelta(minutes=3), RecordStatus.RUNNING)
    return found.model_copy(update={"finished": None, "phase": "load", "percent": 30})


CASES: dict[str, tuple[str, Callable[[], ClusterFacts]]] = {
    # The vendor's table.
    "wallet without identity": ("wallet-inaccessible", lambda: with_inside(wallet=problem("not onboarded"))),
    "wrong participant identifier": ("cannot-rejoin-network", lambda: with_workload(node_identifier="another")),
    "Keycloak user removed": ("login-fails", lambda: with_inside(wallet_login=problem("user missing"))),
    "Keycloak client removed": ("login-fails", lambda: with_inside(machine_login=problem("wrong client"))),
    "storage insufficient": ("insufficient-storage", lambda: with_records(failed(FULL), backup_set(), dump())),
    "volume not grown yet": ("volume-too-small", lambda: with_claim(capacity=Quantity.parse("1Gi"))),
    "volume cannot grow": ("volume-too-small", lambda: with_claim(capacity=Quantity.parse("1Gi"), grows=False)),
    "no storage at first": ("claim-pending", lambda: with_claim(phase="Pending")),
    # Schedules.
    "half undeclared": (
        "half-missing",
        lambda: replace(HEALTHY, spec=SPEC.model_copy(update={"identity_dump": None})),
    ),
    "suspended by hand": ("schedule-suspended", lambda: with_backup(suspended=True)),
    "CronJob deleted": ("schedule-missing", lambda: replace(HEALTHY, schedules=HEALTHY.schedules[1:])),
    "CronJob changed": ("schedule-changed", lambda: with_backup(cron="0 0 * * *")),
    "never scheduled": ("schedule-late", lambda: with_backup(last_scheduled=None)),
    "runs missed": ("schedule-late", lambda: with_backup(last_scheduled=NOW - timedelta(hours=9))),
    # Jobs and pods.
    "image absent": ("image-not-pulled", lambda: with_pod(waiting="ErrImageNeverPull")),
    "ConfigMap absent": ("pod-configuration", lambda: with_pod(waiting="CreateContainerConfigError")),
    "no node": ("pod-unschedulable", lambda: with_pod(unschedulable="0/1 nodes are available")),
    "volume elsewhere": (
        "volume-not-mounted",
        lambda: with_pod(EventFacts("Pod", "pod-1", "FailedAttachVolume", "in use"), waiting="ContainerCreating"),
    ),
    "quota": (
        "pod-refused",
        lambda: replace(
            HEALTHY,
            jobs=(job(end=JobEnd.ACTIVE),),
            events=(EventFacts("Job", "acme-backup-1", "FailedCreate", "quota"),),
        ),
    ),
    "memory": ("out-of-memory", lambda: with_pod(end=JobEnd.FAILED, ended="OOMKilled")),
    "deadline": ("deadline-exceeded", lambda: replace(HEALTHY, jobs=(job(reason="DeadlineExceeded"),))),
    "no record": ("job-failed", lambda: replace(HEALTHY, jobs=(job(reason="BackoffLimitExceeded"),))),
    "killed": ("cut-off", lambda: with_records(running_restore(), backup_set(), dump())),
    # Volume and Secrets.
    "claim deleted": ("claim-missing", lambda: replace(HEALTHY, claim=None)),
    "claim being deleted": ("claim-deleting", lambda: with_claim(deleting=True)),
    "volume deleted": ("claim-lost", lambda: with_claim(phase="Lost")),
    "resize waits": ("resize-unfinished", lambda: with_claim(resizing="FileSystemResizePending")),
    "volume full": ("volume-full", lambda: with_inside(volume_free=100)),
    "Secret absent": ("secret-missing", lambda: replace(HEALTHY, secrets=(SecretFacts("postgres-secrets", None),))),
    "keys differ": (
        "secret-keys",
        lambda: replace(HEALTHY, secrets=(SecretFacts("postgres-secrets", frozenset({"password"})),)),
    ),
    "dump's Secret deleted": (
        "dump-missing",
        lambda: replace(HEALTHY, secrets=(*HEALTHY.secrets, SecretFacts(f"acme-identities-{dump().identifier}", None))),
    ),
    # Captures.
    "set too old": ("recovery-point-missed", lambda: with_records(dump(), backup_set(timedelta(hours=5)))),
    "dump too old": ("recovery-point-missed", lambda: with_records(backup_set(), dump(timedelta(days=2)))),
    "set beyond pruning": ("set-unusable", lambda: with_records(dump(), backup_set(timedelta(days=31)))),
    "export stopped": (
        "not-in-bucket",
        lambda: with_records(backup_set().model_copy(update={"locations": ("volume",)}), dump()),
    ),
    "set damaged": (
        "capture-damaged",
        lambda: with_records(backup_set().model_copy(update={"damaged": {"volume": "a file is missing"}}), dump()),
    ),
    "record damaged": ("record-damaged", lambda: replace(HEALTHY, damaged_records={"catalyx-dr-x": "is no record"})),
    "another's database": ("participants-differ", lambda: with_records(backup_set(participantId=ANOTHER), dump())),
    "keys in a KMS": ("keys-in-kms", lambda: with_records(backup_set(), dump(keyKind="kms"))),
    "identifier burnt": (
        "identifier-burnt",
        lambda: with_records(
            failed("not ready", RecordKind.IDENTITY_IMPORT, identifierUsed=True, newParticipantIdentifier="x"),
            backup_set(),
            dump(),
        ),
    ),
    "unknown failure": (
        "restore-failed",
        lambda: with_records(failed("something new", RecordKind.RESTORE), backup_set(), dump()),
    ),
    # The validator.
    "not installed": ("workload-missing", lambda: with_workload(present=False)),
    "left stopped": ("left-stopped", lambda: with_workload(wanted=0, ready=0, stopped_by_us=True)),
    "switch cut off": (
        "switch-unfinished",
        lambda: replace(
            with_workload(wanted=0, ready=0, stopped_by_us=True),
            records=(*HEALTHY.records, record(RecordKind.RESTORE, "r1", NOW, switch={"steps": []})),
        ),
    ),
    "crashing": ("workload-crashing", lambda: with_workload(ready=0, waiting="CrashLoopBackOff")),
    "starting": ("workload-not-ready", lambda: with_workload(ready=0)),
    "database away": ("database-unreachable", lost_databases),
    "app ahead": ("order-of-offsets", lambda: app_offset(201)),
    "chart's conflict": ("participant-databases", lambda: with_inside(participant_like=("participant_0",))),
    "new keys": ("another-identity", lambda: with_inside(participant_id=ANOTHER)),
    "empty participant": ("no-identity", no_identity),
    "app not ready": ("validator-not-ready", lambda: with_inside(ready=False)),
    "endpoint 404": ("identities-not-found", lambda: with_inside(identities=problem("not found"))),
    "bucket away": ("bucket-unreachable", lambda: with_inside(bucket=problem("UnreachableError"))),
}


def test_healthy_validator_has_no_diagnosis() -> None:
    assert diagnose(HEALTHY) == ()


@pytest.mark.parametrize("case", CASES)
def test_cause_is_found_and_nothing_else(case: str) -> None:
    name, broken = CASES[case]
    found = diagnose(broken())
    assert name in {one.name for one in found}, found
    allowed = {name, "recovery-point-missed"}
    assert {one.name for one in found} <= allowed, found
    assert all(one.subject and one.found and one.cause and one.remedy for one in found)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (FULL, "insufficient-storage"),
        ("/backups is full; enlarge the volume or keep fewer backup sets", "insufficient-storage"),
        ("backup volume /backups cannot be used: Permission denied; check", "volume-not-writable"),
        ("the server is PostgreSQL 18.1, and pg_dump and pg_restore 18 are not installed here", "client-version"),
        ("the validator app has ingested offset 9, but the participant's ledger ends at 7", "order-of-offsets"),
        ("PostgreSQL at p:5432 has no database 'x'; correct its name", "wrong-database"),
        ("PostgreSQL at p:5432 refused the password of user 'cnadmin'", "database-password"),
        ("http://v/api/validator/v0/admin/participant/identities answered 404: not", "identities-not-served"),
        ("http://v/api answered 401: the token", "token-refused"),
        ("http://v/api answered 403: the token", "token-lacks-rights"),
        ("after 900 s the validator at http://v is not ready; look", "validator-not-ready"),
        ("Keycloak: http://k answered 401 invalid_grant: user 'alice' is missing", "login-fails"),
        ("Keycloak: http://k did not answer", "keycloak"),
        ("could not list in bucket 'b' at http://s3: Could not connect", "bucket-unreachable"),
        ("PostgreSQL at p:5432 database 'x' cannot be reached: refused", "database-unreachable"),
        ('pg_restore: error: ERROR:  could not extend file "base/5/7": No space left on device', "database-disk-full"),
        ("PostgreSQL at p:5432 cannot be reached: FATAL: sorry, too many clients already", "database-connections"),
        ("PostgreSQL at p:5432: cannot execute CREATE DATABASE during recovery", "database-standby"),
        ("the dump and its metadata have 2 bytes, a Secret holds at most 1", "dump-too-large"),
        ("not allowed to create Secret n/x: forbidden", "not-permitted"),
    ],
)
def test_reason_is_read_from_the_record(message: str, name: str) -> None:
    assert name in {one.name for one in diagnose(with_records(failed(message), backup_set(), dump()))}


def test_switch_that_was_cut_off_goes_on_by_the_command_that_is_told() -> None:
    switched: dict[str, Any] = {"switch": {"steps": []}, "switched": True}
    done = record(RecordKind.RESTORE, "r1", NOW, **switched)
    assert diagnose(with_records(*HEALTHY.records, done)) == ()
    back = record(RecordKind.RESTORE, "r1", NOW, **switched, switchBack={"steps": []})
    (found,) = diagnose(with_records(*HEALTHY.records, back))
    assert "--request r1 --back --apply" in found.remedy


def test_failure_that_was_mended_is_no_diagnosis() -> None:
    old = failed("the server is full").model_copy(update={"started": NOW - timedelta(hours=2)})
    assert diagnose(with_records(backup_set(), old, dump())) == ()


def test_import_between_set_and_dump_explains_two_participants() -> None:
    imported = record(RecordKind.IDENTITY_IMPORT, "import-1", NOW - timedelta(hours=1), participantId=PARTICIPANT)
    assert diagnose(with_records(backup_set(), imported, dump(participantId=ANOTHER))) == ()


def test_class_that_waits_for_its_first_pod_is_no_fault_before_the_first_run() -> None:
    waiting = with_claim(phase="Pending", waits_for_pod=True)
    assert {one.name for one in diagnose(waiting)} == {"claim-pending"}
    assert diagnose(replace(waiting, jobs=())) == ()


def test_pod_that_found_its_volume_later_is_no_fault() -> None:
    late = EventFacts("Pod", "pod-1", "FailedMount", "timed out")
    assert diagnose(with_pod(late)) == ()
