"""Alerts: a failed run and a broken promise reach Events and webhook, and change nothing of how a run ends."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

import pytest

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnreachableError
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.model.validator_spec import Alerts, ValidatorSpec
from catalyx_dr.operations.alerting import alerting
from catalyx_dr.operations.surroundings import Surroundings
from tests.fixtures_identity import HttpServer, Reply, declared_spec
from tests.fixtures_validator import Clock, MemoryRecords

_PATH = "/hooks/T0-secret-part"
_CLUSTER = cast("Cluster", None)


@dataclass
class Watched:
    """A validator with a webhook that listens, and the Events that were written."""

    spec: ValidatorSpec
    surroundings: Surroundings
    hook: HttpServer
    clock: Clock
    events: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def posted(self) -> list[dict[str, str]]:
        return [json.loads(asked.body) for asked in self.hook.asked]

    def fail(self, error: Exception, kind: RecordKind = RecordKind.IDENTITY_DUMP) -> None:
        with pytest.raises(type(error)), alerting(kind, self.spec, self.surroundings, _CLUSTER):
            raise error

    def succeed(self, kind: RecordKind = RecordKind.BACKUP_SET) -> None:
        with alerting(kind, self.spec, self.surroundings, _CLUSTER):
            pass

    def dumped(self, status: RecordStatus = RecordStatus.COMPLETED) -> None:
        """A dump taken now."""
        now = self.clock()
        self.surroundings.records.save(
            Record(
                kind=RecordKind.IDENTITY_DUMP,
                identifier=now.strftime("%Y%m%dt%H%M%Sz"),
                validator=self.spec.name,
                status=status,
                phase="",
                started=now,
                locations=("cluster",),
            )
        )


@pytest.fixture
def watched(secrets: SecretFiles, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    hook = HttpServer(lambda asked: Reply(200 if asked.path == _PATH else 404))
    secrets.path("backup-alerts", "url").parent.mkdir()
    secrets.path("backup-alerts", "url").write_text(f"{hook.url}{_PATH}\n")
    clock = Clock()
    spec = declared_spec()
    assert spec.identity_dump is not None
    promised = spec.identity_dump.model_copy(update={"recovery_point": timedelta(hours=4)})
    alerts = Alerts(webhook=SecretKey(name="backup-alerts", key="url"))
    spec = spec.model_copy(update={"identity_dump": promised, "alerts": alerts})
    found = Watched(spec, Surroundings(records=MemoryRecords(), secrets=secrets, now=clock), hook, clock)
    monkeypatch.setattr(
        "catalyx_dr.operations.alerting.warn_about",
        lambda cluster, cron_job, reason, message: found.events.append((cron_job, reason, message)),
    )
    yield found
    hook.stop()


def test_failed_run_is_told_everywhere_and_stays_failed(watched: Watched) -> None:
    watched.fail(UnreachableError("it answered 503"))

    assert watched.events == [("validator-1-identity-dump", "IdentityDumpFailed", "it answered 503")]
    (told,) = watched.posted
    assert told["text"] == (
        "IdentityDumpFailed: validator validator-1 in validator-1 (validator-1-identity-dump): it answered 503"
    )
    assert (told["reason"], told["cronJob"]) == ("IdentityDumpFailed", "validator-1-identity-dump")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (RecordKind.BACKUP_SET, "BackupFailed"),
        (RecordKind.VERIFICATION, "VerificationFailed"),
        (RecordKind.DRILL, "DrillFailed"),
    ],
)
def test_every_scheduled_run_has_its_reason(watched: Watched, kind: RecordKind, reason: str) -> None:
    watched.fail(RefusedError("another run holds the lock"), kind)
    assert [told[1] for told in watched.events] == [reason]


def test_unexpected_error_is_told_by_its_type_alone(watched: Watched) -> None:
    watched.fail(ValueError("row 17: secret-value"))
    assert watched.events[0][2] == "unexpected ValueError"
    assert "secret-value" not in str(watched.posted)


def test_good_run_tells_nothing(watched: Watched) -> None:
    watched.dumped()
    watched.succeed()
    assert (watched.events, watched.posted) == ([], [])


def test_one_schedule_notices_that_another_stopped(watched: Watched) -> None:
    watched.dumped()
    watched.clock.next_day()

    watched.succeed(RecordKind.BACKUP_SET)

    ((cron_job, reason, message),) = watched.events
    assert (cron_job, reason) == ("validator-1-identity-dump", "RecoveryPointMissed")
    assert message.startswith("the newest proven identity dump is 1d")
    assert message.endswith("promised are 4h")


def test_failed_dumps_keep_no_promise(watched: Watched) -> None:
    watched.dumped(RecordStatus.FAILED)
    watched.clock.next_day()
    watched.succeed()
    assert watched.events[0][2].startswith("there is no proven identity dump at all")


def test_run_that_goes_on_has_its_deadline(watched: Watched) -> None:
    watched.dumped()
    watched.clock.shift += timedelta(hours=4, minutes=30)
    watched.dumped(RecordStatus.RUNNING)
    watched.succeed()
    assert watched.events == []


def test_new_validator_has_missed_nothing(watched: Watched) -> None:
    watched.succeed()
    assert watched.events == []


def test_suspended_schedule_is_not_watched(watched: Watched) -> None:
    watched.dumped()
    watched.clock.next_day()
    assert watched.spec.identity_dump is not None
    suspended = watched.spec.identity_dump.model_copy(update={"suspend": True})
    replace(watched, spec=watched.spec.model_copy(update={"identity_dump": suspended})).succeed()
    assert watched.events == []


@pytest.mark.parametrize(
    "reply", [Reply(404), Reply(500), Reply(302, headers={"Location": "http://127.0.0.1:1/"}), Reply(drop=True)]
)
def test_deaf_webhook_is_said_without_its_url(
    watched: Watched, reply: Reply, capsys: pytest.CaptureFixture[str]
) -> None:
    watched.hook.always(_PATH, reply)

    watched.fail(CatalyxDrError("disk full"))

    said = capsys.readouterr()
    assert "attention: an alert did not get through: the webhook of alerts.webhook" in said.out
    assert "T0-secret-part" not in said.out + said.err
    assert len(watched.events) == 1


@pytest.mark.parametrize("url", ["no url", "http://[", "ftp://host/T0-secret-part"])
def test_wrong_url_is_said_without_showing_it(watched: Watched, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    watched.surroundings.secrets.path("backup-alerts", "url").write_text(url)

    watched.fail(CatalyxDrError("disk full"))

    said = capsys.readouterr().out
    assert "an alert did not get through" in said
    assert url not in said


def test_missing_secret_is_named(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    watched.surroundings.secrets.path("backup-alerts", "url").unlink()
    watched.fail(CatalyxDrError("disk full"))
    assert "Secret 'backup-alerts' has no key 'url'" in capsys.readouterr().out


def test_event_that_is_refused_does_not_keep_the_webhook_from_being_told(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise RefusedError("not allowed to write an Event")

    monkeypatch.setattr("catalyx_dr.operations.alerting.warn_about", refused)
    watched.fail(CatalyxDrError("disk full"))
    assert len(watched.posted) == 1
