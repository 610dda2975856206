"""Tells people when a scheduled run fails or a promise is broken: an Event on the CronJob, and a webhook's message."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.events import warn_about
from catalyx_dr.adapters.http_peer import Patience, post_json
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.errors import CatalyxDrError, EndedError, UnreachableError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import RecordKind
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.recovery_points import missed_points

MISSED = "RecoveryPointMissed"
_FAILED = {
    RecordKind.BACKUP_SET: "BackupFailed",
    RecordKind.IDENTITY_DUMP: "IdentityDumpFailed",
    RecordKind.VERIFICATION: "VerificationFailed",
    RecordKind.DRILL: "DrillFailed",
}
_WEBHOOK = "the webhook of alerts.webhook"
_PATIENCE = Patience(timeout=10, attempts=3)


@dataclass(frozen=True)
class Alert:
    """One thing to tell; `cron_job` is what it concerns."""

    reason: str
    cron_job: str
    message: str


@contextmanager
def alerting(kind: RecordKind, spec: ValidatorSpec, surroundings: Surroundings, cluster: Cluster) -> Iterator[None]:
    """Tell of the run's failure, and of promises that are broken while it runs: of other schedules than its own too.

    So each schedule watches the others: one that no longer runs at all is noticed by those that do. Telling never
    changes how the run ends.
    """
    names = ObjectNames.of(spec).scheduled
    try:
        yield
    except (Exception, EndedError) as error:
        text = str(error) if isinstance(error, CatalyxDrError | EndedError) else f"unexpected {type(error).__name__}"
        tell(Alert(_FAILED[kind], names[kind], text), spec, surroundings.secrets, cluster, surroundings.now)
        raise
    finally:
        for alert in _missed(kind, spec, surroundings):
            tell(alert, spec, surroundings.secrets, cluster, surroundings.now)


def tell(
    alert: Alert, spec: ValidatorSpec, secrets: SecretFiles, cluster: Cluster, now: Callable[[], datetime]
) -> None:
    """Tell everybody who is declared; what cannot be told is said on the log."""
    print(f"alert {alert.reason} ({alert.cron_job}): {alert.message}", flush=True)  # noqa: T201
    ways: list[Callable[[], None]] = [lambda: warn_about(cluster, alert.cron_job, alert.reason, alert.message)]
    if spec.alerts is not None and spec.alerts.webhook is not None:
        ways.append(lambda: _post(alert, spec, secrets, now()))
    for way in ways:
        try:
            way()
        except CatalyxDrError as error:
            print(f"attention: an alert did not get through: {error}", flush=True)  # noqa: T201


def _post(alert: Alert, spec: ValidatorSpec, secrets: SecretFiles, moment: datetime) -> None:
    assert spec.alerts is not None and spec.alerts.webhook is not None  # noqa: S101, PT018 - asked before
    at = spec.alerts.webhook
    document = {
        # What chat systems show; the rest is for machines.
        "text": f"{alert.reason}: validator {spec.name} in {spec.namespace} ({alert.cron_job}): {alert.message}",
        "reason": alert.reason,
        "validator": spec.name,
        "namespace": spec.namespace,
        "cronJob": alert.cron_job,
        "message": alert.message,
        "time": moment.isoformat(),
    }
    answer = post_json(secrets.read(at.name, at.key).strip(), document, _WEBHOOK, _PATIENCE)
    if not 200 <= answer.status < 300:
        raise UnreachableError(f"{_WEBHOOK} answered {answer.status}; correct the URL in Secret {at.name!r}")


def _missed(kind: RecordKind, spec: ValidatorSpec, surroundings: Surroundings) -> Iterator[Alert]:
    if kind is RecordKind.VERIFICATION:
        return  # it counts them among its own faults
    try:
        records = surroundings.records.legible(spec.name)
    except CatalyxDrError as error:
        print(f"attention: the recovery points were not looked at: {error}", flush=True)  # noqa: T201
        return
    for fault in records.faults.values():
        print(f"attention: {fault}", flush=True)  # noqa: T201
    for missed in missed_points(spec, records.records, surroundings.now()):
        yield Alert(MISSED, ObjectNames.of(spec).scheduled[missed.kind], missed.text)
