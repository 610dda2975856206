"""How far a validator is from what was promised."""

from datetime import UTC, datetime, timedelta

import pytest

from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.rules.schedule_facts import ScheduleFacts
from catalyx_dr.rules.validator_status import status_of
from tests.components.records import captured, record
from tests.components.specs import validator_spec

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
SPEC = validator_spec(backup={"volume": {"storageClass": "standard"}, "cron": "0 */4 * * *", "recoveryPoint": "4h"})


def schedule(created: datetime = NOW - timedelta(days=9), *, suspended: bool = False) -> ScheduleFacts:
    return ScheduleFacts("acme-backup", "0 */4 * * *", "Etc/UTC", suspended, created)


def taken(before: timedelta) -> Record:
    return captured(RecordKind.BACKUP_SET, NOW - before, "volume")


def running(so_far: timedelta, percent: int) -> Record:
    found = record(RecordKind.BACKUP_SET, "20260301t120000z", NOW - so_far, RecordStatus.RUNNING)
    return found.model_copy(update={"finished": None, "percent": percent})


@pytest.mark.parametrize(
    ("age", "missed"), [(timedelta(hours=4, minutes=10), False), (timedelta(hours=4, minutes=20), True)]
)
def test_recovery_point_is_missed_when_the_newest_proven_is_older(age: timedelta, missed: bool) -> None:
    assert status_of(SPEC, [schedule()], [taken(age)], NOW).halves[0].missed is missed


def test_recovery_point_is_not_missed_while_the_next_run_goes_on() -> None:
    found = status_of(
        SPEC, [schedule()], [running(timedelta(minutes=30), 50), taken(timedelta(hours=4, minutes=30))], NOW
    )
    assert not found.halves[0].missed


def test_failed_and_removed_sets_do_not_count() -> None:
    failed = captured(RecordKind.BACKUP_SET, NOW, status=RecordStatus.FAILED)
    removed = captured(RecordKind.BACKUP_SET, NOW - timedelta(minutes=1))
    half = status_of(SPEC, [schedule()], [failed, removed, taken(timedelta(hours=5))], NOW).halves[0]
    assert half.missed
    assert half.age == timedelta(hours=5)


def test_set_damaged_in_one_place_counts_as_long_as_it_is_sound_in_another() -> None:
    both = captured(RecordKind.BACKUP_SET, NOW, "volume", "bucket")
    in_bucket = both.model_copy(update={"damaged": {"volume": "changed"}})
    nowhere = both.model_copy(update={"damaged": {"volume": "changed", "bucket": "gone"}})
    assert not status_of(SPEC, [schedule()], [in_bucket], NOW).halves[0].missed
    assert status_of(SPEC, [schedule()], [nowhere], NOW).halves[0].newest is None


@pytest.mark.parametrize(("age", "missed"), [(timedelta(hours=3), False), (timedelta(hours=5), True)])
def test_new_schedule_has_time_for_its_first_set(age: timedelta, missed: bool) -> None:
    assert status_of(SPEC, [schedule(NOW - age)], [], NOW).halves[0].missed is missed


def test_promise_without_any_schedule_is_missed() -> None:
    assert status_of(SPEC, [], [], NOW).halves[0].missed


def test_suspended_schedule_has_no_next_runs() -> None:
    assert status_of(SPEC, [schedule(suspended=True)], [], NOW).halves[0].next_runs == ()
    assert [run.hour for run in status_of(SPEC, [schedule()], [], NOW).halves[0].next_runs] == [16, 20]


def test_end_is_expected_as_the_run_before_took() -> None:
    (found,) = status_of(SPEC, [], [running(timedelta(seconds=20), 50), taken(timedelta(hours=4))], NOW).running
    assert found.expected_end == NOW + timedelta(seconds=40)


def test_end_is_guessed_from_the_share_when_the_run_before_was_quicker() -> None:
    (found,) = status_of(SPEC, [], [running(timedelta(minutes=5), 25), taken(timedelta(hours=4))], NOW).running
    assert found.expected_end == NOW + timedelta(minutes=15)
    assert not found.overdue


def test_nothing_is_guessed_at_the_beginning() -> None:
    (found,) = status_of(SPEC, [], [running(timedelta(minutes=5), 5)], NOW).running
    assert found.expected_end is None


def test_run_beyond_its_deadline_was_ended_without_a_word() -> None:
    assert status_of(SPEC, [], [running(timedelta(hours=7), 50)], NOW).running[0].overdue


def test_failures_tell_whether_they_were_mended() -> None:
    old = captured(RecordKind.BACKUP_SET, NOW - timedelta(hours=9), status=RecordStatus.FAILED)
    new = captured(RecordKind.BACKUP_SET, NOW - timedelta(hours=1), status=RecordStatus.FAILED)
    found = status_of(SPEC, [], [new, taken(timedelta(hours=4)), old], NOW).failures
    assert [failure.mended for failure in found] == [False, True]


def test_missed_runs_are_counted_from_the_last_one() -> None:
    facts = schedule()
    assert len(facts.missed_runs(NOW)) == 9 * 6
    late = ScheduleFacts(
        "x", "0 */4 * * *", "Etc/UTC", False, facts.created, last_scheduled=NOW.replace(hour=4, minute=0)
    )
    assert [run.hour for run in late.missed_runs(NOW)] == [8, 12]


def test_interval_is_counted_from_the_last_run() -> None:
    facts = ScheduleFacts(
        "x", "@every 4h", "Etc/UTC", False, NOW - timedelta(days=1), last_scheduled=NOW - timedelta(hours=1)
    )
    assert facts.next_runs(NOW, 1) == (NOW + timedelta(hours=3),)
    assert facts.missed_runs(NOW) == ()
