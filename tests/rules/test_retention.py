"""Retention: invariants over arbitrary histories, and the cases people ask about."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyx_dr.model.capture import Capture
from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.record import READ_SET, Record, RecordKind, RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.rules.retention import most_kept, read_now, removals, report

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOURS = st.integers(min_value=-48, max_value=24 * 800)


def at(hours_ago: float, proven: bool = True, locked_for: float | None = None) -> Capture:
    taken = NOW - timedelta(hours=hours_ago)
    until = None if locked_for is None else NOW + timedelta(hours=locked_for)
    return Capture(capture_id(taken), taken, proven, locked_until=until)


captures = st.lists(
    st.builds(at, HOURS, st.booleans(), st.none() | st.integers(min_value=-100, max_value=100)),
    max_size=40,
    unique_by=lambda capture: capture.identifier,
)
retentions = st.builds(
    Retention,
    keep=st.integers(1, 12),
    within=st.none() | st.integers(1, 2000).map(lambda hours: timedelta(hours=hours)),
    daily=st.integers(0, 10),
    weekly=st.integers(0, 6),
    monthly=st.integers(0, 14),
    yearly=st.integers(0, 3),
    floor=st.integers(1, 15),
)


@given(captures, retentions)
def test_every_capture_is_judged_once_with_a_reason(history: list[Capture], retention: Retention) -> None:
    verdicts = report(history, retention, NOW)
    assert sorted(verdict.capture.identifier for verdict in verdicts) == sorted(c.identifier for c in history)
    assert all(verdict.reasons for verdict in verdicts)


@given(captures, retentions)
def test_the_newest_proven_one_always_stays(history: list[Capture], retention: Retention) -> None:
    kept = {verdict.capture for verdict in report(history, retention, NOW) if verdict.keep}
    proven = [capture for capture in history if capture.proven]
    if proven:
        assert max(proven, key=lambda capture: capture.taken) in kept


@given(captures, retentions)
def test_the_floor_beats_every_rule(history: list[Capture], retention: Retention) -> None:
    kept = [verdict.capture for verdict in report(history, retention, NOW) if verdict.keep]
    proven = sum(capture.proven for capture in history)
    assert sum(capture.proven for capture in kept) >= min(proven, max(retention.floor, retention.keep))


@given(captures, retentions)
def test_unproven_captures_change_nothing_for_proven_ones(history: list[Capture], retention: Retention) -> None:
    with_them = {v.capture: v.keep for v in report(history, retention, NOW) if v.capture.proven}
    without = {v.capture: v.keep for v in report([c for c in history if c.proven], retention, NOW)}
    assert with_them == without


@given(captures, retentions)
def test_nothing_locked_is_removed(history: list[Capture], retention: Retention) -> None:
    assert not any(capture.locked(NOW) for capture in removals(report(history, retention, NOW)))


@given(captures, retentions)
def test_removing_what_may_go_leaves_nothing_more_to_remove(history: list[Capture], retention: Retention) -> None:
    kept = [verdict.capture for verdict in report(history, retention, NOW) if verdict.keep]
    assert removals(report(kept, retention, NOW)) == ()


@given(captures, retentions)
def test_an_unproven_capture_goes_only_after_a_newer_one_is_proven(
    history: list[Capture], retention: Retention
) -> None:
    proven = [capture.taken for capture in history if capture.proven]
    for capture in removals(report(history, retention, NOW)):
        if not capture.proven:
            assert max(proven) >= capture.taken


@given(captures, retentions)
def test_the_order_of_a_history_does_not_matter(history: list[Capture], retention: Retention) -> None:
    assert report(history, retention, NOW) == report(reversed(history), retention, NOW)


@given(captures, retentions)
def test_a_longer_retention_never_removes_more(history: list[Capture], retention: Retention) -> None:
    longer = retention.model_copy(update={"keep": retention.keep + 1, "daily": retention.daily + 2})
    assert set(removals(report(history, longer, NOW))) <= set(removals(report(history, retention, NOW)))


@given(captures, retentions)
def test_the_volume_is_sized_for_everything_that_is_kept(history: list[Capture], retention: Retention) -> None:
    unlocked = [c for c in history if c.proven and not c.locked(NOW)]
    retention = retention.model_copy(update={"within": None})
    kept = [verdict for verdict in report(unlocked, retention, NOW) if verdict.keep]
    assert len(kept) <= most_kept(retention)


def test_the_vendors_number_keeps_the_newest() -> None:
    verdicts = report([at(hour) for hour in range(0, 60, 6)], Retention(keep=7), NOW)
    assert [verdict.keep for verdict in verdicts] == [True] * 7 + [False] * 3
    assert removals(verdicts) == tuple(at(hour) for hour in (54, 48, 42))


def test_seven_bad_days_do_not_evict_the_good_ones() -> None:
    history = [at(hour, proven=False) for hour in range(0, 168, 6)] + [at(168), at(174), at(180)]
    assert removals(report(history, Retention(keep=2), NOW)) == (at(180),)


def test_grandfather_father_son() -> None:
    history = [at(hour) for hour in range(0, 24 * 90, 6)]
    verdicts = report(history, Retention(keep=1, daily=3, weekly=2, monthly=3), NOW)
    kept = {verdict.capture.taken.strftime("%m-%dT%H"): verdict.reasons for verdict in verdicts if verdict.keep}
    assert list(kept) == ["11-24T12", "11-23T18", "11-22T18", "10-31T18", "09-30T18"]
    assert "weekly 2026-11-22" in kept["11-22T18"]
    assert kept["10-31T18"] == ("monthly 2026-10-31",)


@given(captures, retentions)
def test_every_tier_keeps_the_newest_of_its_newest_periods(history: list[Capture], retention: Retention) -> None:
    kept = {verdict.capture for verdict in report(history, retention, NOW) if verdict.keep}
    proven = sorted((one for one in history if one.proven), key=lambda one: one.taken)
    for tier, period in (("daily", "%Y-%m-%d"), ("weekly", "%G-%V"), ("monthly", "%Y-%m"), ("yearly", "%Y")):
        newest_of_each = {one.taken.strftime(period): one for one in proven}
        wanted = sorted(newest_of_each.values(), key=lambda one: one.taken, reverse=True)[: getattr(retention, tier)]
        assert set(wanted) <= kept


@given(captures, retentions)
def test_what_goes_is_wanted_by_no_rule(history: list[Capture], retention: Retention) -> None:
    proven = sorted((one for one in history if one.proven), key=lambda one: one.taken, reverse=True)
    for gone in (one for one in removals(report(history, retention, NOW)) if one.proven):
        assert proven.index(gone) >= max(retention.keep, retention.floor)
        assert retention.within is None or gone.age(NOW) > retention.within
        assert not gone.locked(NOW)


def test_what_is_locked_says_until_when() -> None:
    verdict = report([at(0), at(48, locked_for=3)], Retention(keep=1), NOW)[1]
    assert verdict.keep
    assert verdict.reasons == ("locked by the store until 2026-11-24 15:00 UTC",)


@pytest.mark.parametrize("within", [timedelta(hours=10), timedelta(days=2)])
def test_age_keeps_what_is_young(within: timedelta) -> None:
    verdicts = report([at(hour) for hour in range(0, 96, 6)], Retention(keep=1, within=within), NOW)
    assert all(verdict.keep == (verdict.capture.age(NOW) <= within) for verdict in verdicts)


@given(captures, retentions, st.data())
def test_what_somebody_reads_stays_and_changes_nothing_else(
    history: list[Capture], retention: Retention, data: st.DataObject
) -> None:
    in_use = {one.identifier: "restore r1" for one in history if data.draw(st.booleans())}
    removed = set(removals(report(history, retention, NOW, in_use)))
    assert removed == {one for one in removals(report(history, retention, NOW)) if one.identifier not in in_use}


@pytest.mark.parametrize(
    ("kind", "status", "began", "read"),
    [
        (RecordKind.RESTORE, RecordStatus.RUNNING, timedelta(hours=3), True),
        (RecordKind.DRILL, RecordStatus.RUNNING, timedelta(hours=3), True),
        (RecordKind.RESTORE, RecordStatus.COMPLETED, timedelta(hours=3), False),
        (RecordKind.RESTORE, RecordStatus.RUNNING, timedelta(days=8), False),
        (RecordKind.ROLLBACK, RecordStatus.RUNNING, timedelta(hours=3), False),
    ],
)
def test_who_reads_a_set_now(kind: RecordKind, status: RecordStatus, began: timedelta, read: bool) -> None:
    record = Record(
        kind=kind,
        identifier="r1",
        validator="validator-1",
        status=status,
        phase="load",
        started=NOW - began,
        details={READ_SET: "20261124t000000z"},
    )
    assert bool(read_now([record], NOW)) is read
