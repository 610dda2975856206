"""Schedules: accepted, refused and run as Kubernetes does, against what its own library was seen to do."""

import json
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from catalyx_dr.model.schedule import Schedule, check_cron, check_time_zone

SEEN: dict[str, Any] = json.loads((Path(__file__).parent / "controller.json").read_text())
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize("cron", SEEN["accepted"])
def test_what_kubernetes_accepts_is_accepted(cron: str) -> None:
    assert check_cron(cron) == cron


@pytest.mark.parametrize("cron", SEEN["refused"])
def test_what_kubernetes_refuses_is_refused(cron: str) -> None:
    with pytest.raises(ValueError, match="is no cron expression that Kubernetes accepts"):
        check_cron(cron)


@pytest.mark.parametrize("case", SEEN["runs"], ids=lambda case: f"{case['cron']} {case['timeZone']} {case['after']}")
def test_runs_are_those_of_the_controller(case: dict[str, Any]) -> None:
    runs = Schedule(case["cron"], case["timeZone"]).runs_after(datetime.fromisoformat(case["after"]))
    assert [run.astimezone(UTC).isoformat() for run in islice(runs, 6)] == case["runs"]


def test_a_repeated_hour_runs_twice() -> None:
    runs = Schedule("0 2 * * *", "Europe/Berlin").runs_after(datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert [str(run) for run in islice(runs, 3)] == [
        "2026-10-25 02:00:00+02:00",
        "2026-10-25 02:00:00+01:00",
        "2026-10-26 02:00:00+01:00",
    ]


def test_a_skipped_hour_does_not_run() -> None:
    schedule = Schedule("30 2 * * *", "Europe/Berlin")
    runs = schedule.runs_after(datetime(2027, 3, 27, 12, tzinfo=UTC))
    assert str(next(runs)) == "2027-03-29 02:30:00+02:00"
    assert schedule.largest_gap(NOW) == timedelta(hours=47)
    assert [(str(change.wall), change.runs) for change in schedule.clock_changes(NOW)][:2] == [
        ("2027-03-28 02:30:00", 0),
        ("2027-10-31 02:30:00", 2),
    ]


def test_utc_knows_no_change_of_clocks() -> None:
    assert Schedule("30 2 * * *").clock_changes(NOW) == ()


@pytest.mark.parametrize(
    ("cron", "smallest", "largest", "uneven"),
    [
        ("0 */6 * * *", "6:00:00", "6:00:00", ()),
        ("0 */5 * * *", "4:00:00", "5:00:00", ("hour",)),
        ("*/7 * * * *", "0:04:00", "0:07:00", ("minute",)),
        ("5/15 * * * *", "0:15:00", "0:15:00", ()),
        ("0 0 */2 * *", "1 day, 0:00:00", "2 days, 0:00:00", ("day of the month",)),
        ("0 8-18/4 * * *", "4:00:00", "16:00:00", ()),
        ("*/5 * * * 1-5", "0:05:00", "2 days, 0:05:00", ()),
        ("0 0 * * 0", "7 days, 0:00:00", "7 days, 0:00:00", ()),
        ("@every 90m", "1:30:00", "1:30:00", ()),
    ],
)
def test_gaps(cron: str, smallest: str, largest: str, uneven: tuple[str, ...]) -> None:
    schedule = Schedule(cron)
    assert (str(schedule.smallest_gap(NOW)), str(schedule.largest_gap(NOW))) == (smallest, largest)
    assert schedule.uneven_fields == uneven


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "0 0 30 2 ?", ", * * * *"])
def test_what_never_runs_says_so(cron: str) -> None:
    schedule = Schedule(cron)
    assert not schedule.fires
    assert schedule.next_run(NOW) is None
    with pytest.raises(ValueError, match="never runs"):
        schedule.largest_gap(NOW)


@pytest.mark.parametrize("zone", ["Etc/UTC", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_time_zones(zone: str) -> None:
    assert check_time_zone(zone) == zone


@pytest.mark.parametrize("zone", ["", "Local", "local", "Europe", "Mars/Base", "../etc/passwd", "/etc/localtime", "-x"])
def test_no_time_zones(zone: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        check_time_zone(zone)


def _field(lowest: int, highest: int) -> st.SearchStrategy[str]:
    number = st.integers(lowest, highest)
    ranges = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    return st.one_of(st.just("*"), number.map(str), ranges, st.integers(1, highest).map(lambda step: f"*/{step}"))


crons = st.tuples(_field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12), _field(0, 6)).map(" ".join)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


@given(crons, st.sampled_from(["Etc/UTC", "Europe/Berlin", "America/New_York"]), moments)
def test_runs_are_later_in_order_and_match_the_clock(cron: str, zone: str, moment: datetime) -> None:
    schedule = Schedule(cron, zone)
    runs = list(islice(schedule.runs_after(moment), 5))
    assert all(run > moment and run.second == 0 for run in runs)
    assert all(earlier.astimezone(UTC) < later.astimezone(UTC) for earlier, later in pairwise(runs))
    assert bool(runs) == schedule.fires


@given(crons, moments)
def test_no_gap_is_larger_or_smaller_than_said(cron: str, moment: datetime) -> None:
    schedule = Schedule(cron)
    runs = list(islice(schedule.runs_after(moment), 30))
    for earlier, later in pairwise(runs):
        if later < moment + timedelta(days=365 * 4):
            assert schedule.smallest_gap(moment) <= later - earlier <= schedule.largest_gap(moment)


def _plain_field(lowest: int, highest: int) -> st.SearchStrategy[str]:
    # croniter takes a range of one number (`0-0`) for a star.
    return _field(lowest, highest).filter(lambda text: "-" not in text or len(set(text.split("-"))) == 2)


plain_crons = st.tuples(
    _plain_field(0, 59), _plain_field(0, 23), _plain_field(1, 31), _plain_field(1, 12), st.just("*")
).map(" ".join)


@given(plain_crons, moments)
def test_runs_are_those_of_croniter_where_both_read_the_expression_alike(cron: str, moment: datetime) -> None:
    schedule = Schedule(cron)
    if not schedule.fires:
        return
    theirs = croniter(cron, moment)
    assert list(islice(schedule.runs_after(moment), 5)) == [theirs.get_next(datetime) for _ in range(5)]


@given(st.text(alphabet="0123456789*/-,? @every hmonTZ=", max_size=20))
def test_any_text_is_accepted_or_refused_but_never_breaks(text: str) -> None:
    try:
        schedule = Schedule(text)
    except ValueError:
        return
    assert schedule.next_run(NOW) is None or schedule.fires
