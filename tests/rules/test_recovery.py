"""Which capture a recovery uses, and the age that Canton allows."""

from datetime import UTC, datetime, timedelta

import pytest

from catalyx_dr.model.capture import Capture
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.record import RecordKind
from catalyx_dr.rules.recovery import age_verdict, choose, recorded_captures
from catalyx_dr.rules.verdict import Outcome
from tests.components.records import record

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HISTORY = (
    Capture.named("20261124t060000z", proven=False),
    Capture.named("20261124t000000z"),
    Capture.named("20261123t180000z"),
)


def test_latest_is_the_newest_proven_one() -> None:
    assert choose(HISTORY, "latest").identifier == "20261124t000000z"
    assert choose(reversed(HISTORY), "latest").identifier == "20261124t000000z"


def test_latest_before_a_moment() -> None:
    assert choose(HISTORY, "latest before 2026-11-24T00:00:00Z").identifier == "20261123t180000z"
    assert choose(HISTORY, "latest before 2026-11-24T02:00:00+01:00").identifier == "20261124t000000z"
    with pytest.raises(RefusedError, match=r"no proven backup set taken before 2026-11-01 00:00 UTC; available: "):
        choose(HISTORY, "latest before 2026-11-01T00:00:00Z")


@pytest.mark.parametrize("moment", ["2026-11-24T00:00:00", "yesterday", "2026-13-01T00:00:00Z"])
def test_a_moment_needs_a_date_and_a_zone(moment: str) -> None:
    with pytest.raises(RefusedError, match="no moment with a time zone; write for example latest before"):
        choose(HISTORY, f"latest before {moment}")


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (
            "20261124t060000z",
            "backup set 20261124t060000z is not proven (its run failed, it is incomplete, or it was found damaged) and "
            "cannot be used; "
            "available: 20261124t000000z, 20261123t180000z",
        ),
        (
            "20200101t000000z",
            "there is no backup set 20200101t000000z; available: 20261124t000000z, 20261123t180000z",
        ),
        (
            "yesterday",
            "'yesterday' names no backup set; write latest or an id, or latest before a moment; "
            "available: 20261124t000000z, 20261123t180000z",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_there_is(selector: str, message: str) -> None:
    with pytest.raises(RefusedError) as error:
        choose(HISTORY, selector)
    assert str(error.value) == message


def test_nothing_proven() -> None:
    with pytest.raises(RefusedError, match=r"there is no proven identity dump; no proven one is available$"):
        choose(HISTORY[:1], "latest", kind="identity dump")
    with pytest.raises(RefusedError, match=r"no proven one is available in bucket 'b' under acme/$"):
        choose((), "latest", place="in bucket 'b' under acme/")


def test_a_record_that_names_no_moment_is_no_capture() -> None:
    names = ("20261124t000000z", "somebody's", "20269924t000000z")
    records = [record(RecordKind.BACKUP_SET, name, NOW, locations=("volume",)) for name in names]
    assert [capture.identifier for capture in recorded_captures(records, "volume")] == ["20261124t000000z"]


def test_a_long_list_is_cut() -> None:
    many = [Capture.named(f"202611{day:02}t000000z") for day in range(1, 20)]
    with pytest.raises(RefusedError, match="20261110t000000z and 9 older"):
        choose(many, "20200101t000000z")


@pytest.mark.parametrize(
    ("age", "outcome"),
    [
        (timedelta(hours=4), Outcome.PASS),
        (timedelta(days=25), Outcome.PASS),
        (timedelta(days=26), Outcome.WARNING),
        (timedelta(days=30), Outcome.WARNING),
        (timedelta(days=30, seconds=1), Outcome.REFUSAL),
        (timedelta(hours=-1), Outcome.WARNING),
    ],
)
def test_age_against_thirty_days(age: timedelta, outcome: Outcome) -> None:
    verdict = age_verdict(NOW - age, NOW)
    assert verdict.outcome is outcome
    assert bool(verdict.remedy) == (outcome is not Outcome.PASS)
