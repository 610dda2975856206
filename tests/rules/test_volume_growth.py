"""What a backup asks of its volume: the formula with what was measured, the limit, and never less than there is."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from catalyx_dr.model.backup import BackupVolume, DatabaseBackup
from catalyx_dr.model.databases import Database, Databases, DatabaseServer
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.retention import Retention
from catalyx_dr.rules.sizing import backup_volume_size
from catalyx_dr.rules.volume_growth import Measured, VolumeDemand, rounded_up, volume_demand

GIBIBYTE = 1024**3
DATABASES = Databases(
    server=DatabaseServer(host="postgres"),
    validator_app=Database(name="app", schema_name="validator", storage=Quantity.parse("1Gi")),
    participant=Database(name="participant", schema_name="participant", storage=Quantity.parse("3Gi")),
)
counts = st.integers(0, 2**50)
amounts = st.builds(Measured, counts, counts, counts)


def backup(**volume: Any) -> DatabaseBackup:
    settings: dict[str, Any] = {"storage_class": "standard", "retention": Retention(keep=5), "headroom_percent": 20}
    return DatabaseBackup(cron="0 */4 * * *", volume=BackupVolume(**(settings | volume)))


def demand(current: str, measured: Measured, **volume: Any) -> VolumeDemand:
    size = Quantity.parse(current)
    return volume_demand(backup(**volume), DATABASES, size, size, measured)


def test_what_was_declared_counts_while_the_databases_are_smaller() -> None:
    found = demand("20Gi", Measured(databases=2 * GIBIBYTE, free=20 * GIBIBYTE, expected_set=GIBIBYTE))
    assert str(found.growth.size) == "24Gi"  # 5 x 4 Gi and 20 %
    assert str(found.growth) == "20 GiB -> 24 GiB"
    assert not found.limit_reached


def test_databases_that_outgrew_their_declaration_count_as_measured() -> None:
    found = demand("24Gi", Measured(databases=4 * GIBIBYTE + 1, free=24 * GIBIBYTE, expected_set=1))
    assert str(found.growth.size) == "30Gi"  # 5 x 5 Gi and 20 %
    assert found.explanation == "5 x 5 GiB and 20 % headroom"


def test_a_set_that_would_not_fit_counts_as_well() -> None:
    found = demand("24Gi", Measured(databases=1, free=3 * GIBIBYTE, expected_set=8 * GIBIBYTE))
    assert str(found.growth.size) == "29Gi"
    assert found.explanation == "the sets on it and the next one need 29 GiB"


def test_the_limit_is_not_crossed_and_is_named_as_reached() -> None:
    found = demand("20Gi", Measured(1, 1, 1), limit=Quantity.parse("22Gi"))
    assert str(found.growth.size) == "22Gi"
    assert found.limit_reached == Quantity.parse("22Gi")
    # Somebody made it larger than the limit: then there is nothing to complain about, and nothing to shrink.
    assert not demand("40Gi", Measured(1, 1, 1), limit=Quantity.parse("22Gi")).limit_reached


def test_a_growth_under_way_counts() -> None:
    under_way = Measured(databases=1, free=GIBIBYTE, expected_set=2 * GIBIBYTE)
    found = volume_demand(backup(), DATABASES, Quantity.parse("24Gi"), Quantity.parse("21Gi"), under_way)
    assert not found.growth.grows


@given(st.integers(0, 2**52), amounts, st.one_of(st.none(), st.integers(1, 2**52).map(Quantity)))
def test_it_never_shrinks_and_grows_only_up_to_the_limit(size: int, measured: Measured, limit: Quantity | None) -> None:
    current = Quantity(size)
    growth = volume_demand(backup(limit=limit), DATABASES, current, current, measured).growth
    assert growth.size >= current
    assert limit is None or growth.size <= max(limit, current)


@given(st.integers(0, 2**52), amounts)
def test_without_a_limit_formula_and_set_always_fit(size: int, measured: Measured) -> None:
    current = Quantity(size)
    found = volume_demand(backup(), DATABASES, current, current, measured)
    assert found.growth.size >= backup_volume_size(backup(), DATABASES).size
    assert found.growth.size.bytes >= size + measured.expected_set - measured.free


@given(st.integers(0, 2**60))
def test_rounding_loses_nothing_and_adds_less_than_a_unit(size: int) -> None:
    rounded = rounded_up(size).bytes
    assert 0 <= rounded - size < (GIBIBYTE if size > GIBIBYTE else 1024**2)
