"""Schedules that do not run: missing, suspended, changed, late (vendor guide, Part 1 and 2)."""

from collections.abc import Iterator
from datetime import timedelta

from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.run_schedule import RunSchedule
from catalyx_dr.rules.diagnosis.diagnosis import Diagnosis, Rule
from catalyx_dr.rules.diagnosis.facts import ClusterFacts
from catalyx_dr.rules.schedule_facts import ScheduleFacts

# The controller is allowed some time for each run; what is later than this was not started.
_LATE_AFTER = timedelta(minutes=5)
_MISSED_REASONS = ("TooManyMissedTimes", "MissSchedule", "UnparseableSchedule", "UnknownTimeZone", "FailedNeedsStart")


def missing_half(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Both halves have to be declared (vendor guide: full recovery requires both)."""
    for declared, name in ((facts.spec.backup, "backup"), (facts.spec.identity_dump, "identityDump")):
        if declared is None:
            yield Diagnosis(
                "half-missing",
                f"stack file, {name} of {facts.spec.name}",
                f"no {name} is declared",
                "database backups hold no identity dump, and identity dumps hold no ledger: each alone recovers half",
                f"declare {name} in the stack file, then pulumi up",
            )


def not_there(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """A declared schedule whose CronJob was deleted."""
    for name, _ in _declared(facts):
        if facts.schedule(name) is None:
            yield Diagnosis(
                "schedule-missing",
                f"CronJob {name}",
                "the specification declares it, the cluster has none",
                "it was deleted by hand, or pulumi up has not come so far",
                "pulumi refresh, then pulumi up",
            )


def suspended(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """A schedule that starts nothing."""
    for name, declared in _declared(facts):
        live = facts.schedule(name)
        if live is None or not live.suspended:
            continue
        by_hand = not declared.suspend
        yield Diagnosis(
            "schedule-suspended",
            f"CronJob {name}",
            "it is suspended and starts nothing",
            "it was suspended by hand" if by_hand else "the stack file says suspend: true",
            f'kubectl patch cronjob {name} -n {facts.spec.namespace} -p \'{{"spec":{{"suspend":false}}}}\''
            if by_hand
            else "write suspend: false in the stack file, then pulumi up",
        )


def changed(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """A schedule that runs at other times than declared."""
    for name, declared in _declared(facts):
        live = facts.schedule(name)
        if live is not None and (live.cron, live.time_zone) != (declared.cron, declared.time_zone):
            yield Diagnosis(
                "schedule-changed",
                f"CronJob {name}",
                f"it runs at {live.cron!r} ({live.time_zone}), declared is {declared.cron!r} ({declared.time_zone})",
                "it was changed by hand",
                "pulumi refresh, then pulumi up; or write the new times in the stack file",
            )


def late(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """A run that was due and was not started."""
    for name, declared in _declared(facts):
        live = facts.schedule(name)
        if live is None or live.suspended:
            continue
        if not declared.schedule.fires:
            yield _never(name, declared)
            continue
        missed = [run for run in live.missed_runs(facts.now) if facts.now - run > _LATE_AFTER]
        if missed:
            yield _late(facts, live, len(missed), f"{missed[0]:%Y-%m-%d %H:%M}")


def _never(name: str, declared: RunSchedule) -> Diagnosis:
    return Diagnosis(
        "schedule-never-runs",
        f"CronJob {name}",
        f"{declared.cron!r} names no moment that ever comes",
        "day and month exclude each other",
        "correct cron in the stack file, then pulumi up",
    )


def _late(facts: ClusterFacts, live: ScheduleFacts, count: int, first: str) -> Diagnosis:
    busy = next((job.name for job in facts.active_jobs() if job.schedule == live.name), None)
    told = facts.warnings("CronJob", live.name, *_MISSED_REASONS)
    if busy:
        cause = f"Job {busy} still runs, and one run at a time is allowed"
        remedy = f"look at kubectl logs job/{busy} -n {facts.spec.namespace}; its deadline ends it, or delete it"
    elif told:
        cause, remedy = told[0], "let kube-controller-manager run; then catalyx-dr run makes up for what was missed"
    else:
        cause = "the CronJob controller did not start it within the hour it is given: it was down, or clocks differ"
        remedy = "check kube-controller-manager and the clocks; then catalyx-dr run makes up for what was missed"
    never = "it has never run; " if live.last_scheduled is None else ""
    return Diagnosis("schedule-late", f"CronJob {live.name}", f"{never}{count} due, first {first} UTC", cause, remedy)


def _declared(facts: ClusterFacts) -> Iterator[tuple[str, RunSchedule]]:
    names = ObjectNames.of(facts.spec)
    if facts.spec.backup is not None:
        yield names.backup, facts.spec.backup
    if facts.spec.identity_dump is not None:
        yield names.identity_dump, facts.spec.identity_dump
    if facts.spec.verification is not None:
        yield names.verification, facts.spec.verification
    if facts.spec.drill is not None:
        yield names.drill, facts.spec.drill


RULES: tuple[Rule, ...] = (missing_half, not_there, suspended, changed, late)
