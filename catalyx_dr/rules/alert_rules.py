"""Prometheus rules that notice what no job can tell of itself: that it never ran, was killed, or is gone."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import RecordKind
from catalyx_dr.model.run_schedule import CaptureSchedule, RunSchedule
from catalyx_dr.model.validator_spec import ValidatorSpec

_GONE_FOR = "30m"


def alert_rules(spec: ValidatorSpec, now: datetime) -> dict[str, Any]:
    """Content of a PrometheusRule for the validator's schedules, by the metrics of kube-state-metrics.

    A capture may be as old as its recovery point and the deadline of the run that replaces it; a verification or drill
    as its schedule's largest gap and its deadline.
    """
    rules = [rule for kind, schedule in _schedules(spec) for rule in _rules(spec, kind, schedule, now)]
    return {"groups": [{"name": f"catalyx-dr-{spec.namespace}-{spec.name}", "rules": rules}]}


def _schedules(spec: ValidatorSpec) -> Iterator[tuple[RecordKind, RunSchedule]]:
    declared: tuple[tuple[RecordKind, RunSchedule | None], ...] = (
        (RecordKind.BACKUP_SET, spec.backup),
        (RecordKind.IDENTITY_DUMP, spec.identity_dump),
        (RecordKind.VERIFICATION, spec.verification),
        (RecordKind.DRILL, spec.drill),
    )
    yield from ((kind, schedule) for kind, schedule in declared if schedule is not None)


def _rules(spec: ValidatorSpec, kind: RecordKind, schedule: RunSchedule, now: datetime) -> Iterator[dict[str, Any]]:
    cron_job = ObjectNames.of(spec).scheduled[kind]
    of_cron_job = f'{{namespace="{spec.namespace}",cronjob="{cron_job}"}}'
    of_jobs = f'{{namespace="{spec.namespace}",job_name=~"{cron_job}-.+"}}'
    labels = {"validator": spec.name, "namespace": spec.namespace, "cronjob": cron_job}
    allowed = _promise(schedule, now)
    if allowed is not None:
        last = f"kube_cronjob_status_last_successful_time{of_cron_job} or kube_cronjob_created{of_cron_job}"
        yield _rule(
            "CatalyxDrRecoveryPointMissed",
            f"time() - max({last}) > {int(allowed.total_seconds())}",
            {**labels, "severity": "critical"},
            f"No {kind} of validator {spec.name} succeeded for {format_duration(allowed)}, its deadline included",
        )
    failed = f"kube_job_status_start_time{of_jobs} and on (namespace, job_name) kube_job_status_failed{of_jobs} > 0"
    yield _rule(
        "CatalyxDrRunFailed",
        f"max({failed}) > (max(kube_cronjob_status_last_successful_time{of_cron_job}) or vector(0))",
        {**labels, "severity": "warning"},
        f"The newest run of CronJob {cron_job} failed: its record and log tell why (catalyx-dr history)",
    )
    yield _rule(
        "CatalyxDrScheduleGone",
        f"absent(kube_cronjob_info{of_cron_job})",
        {**labels, "severity": "critical"},
        f"CronJob {cron_job} is gone, or kube-state-metrics does not tell of it",
        for_=_GONE_FOR,
    )


def _promise(schedule: RunSchedule, now: datetime) -> timedelta | None:
    if isinstance(schedule, CaptureSchedule) and schedule.recovery_point is not None:
        return schedule.recovery_point + schedule.deadline
    try:
        return schedule.schedule.largest_gap(now) + schedule.deadline
    except ValueError:  # never runs: the policy reports it
        return None


def _rule(name: str, expression: str, labels: dict[str, str], summary: str, for_: str = "5m") -> dict[str, Any]:
    return {"alert": name, "expr": expression, "for": for_, "labels": labels, "annotations": {"summary": summary}}
