"""The size of a backup volume: the vendor's formula to the byte, headroom, limit, growth only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyx_dr.model.quantity import Quantity
from catalyx_dr.rules.sizing import BackupVolumeSize, grown, volume_size

sizes = st.integers(min_value=0, max_value=2**55).map(Quantity)


@given(st.integers(1, 400), sizes)
def test_the_formula_is_the_vendors_to_the_byte(backups: int, storage: Quantity) -> None:
    assert volume_size(backups, storage).bytes == backups * storage.bytes


@given(st.integers(1, 400), sizes, st.integers(0, 1000))
def test_headroom_comes_on_top_and_is_never_rounded_away(backups: int, storage: Quantity, percent: int) -> None:
    size = BackupVolumeSize(backups, storage, percent, None)
    assert 0 <= size.headroom.bytes * 100 - size.formula.bytes * percent < 100
    assert size.size == size.formula + size.headroom


@given(st.integers(1, 400), sizes.filter(lambda size: size.bytes >= 400))
def test_the_named_headroom_covers_the_set_in_flight(backups: int, storage: Quantity) -> None:
    enough = BackupVolumeSize(backups, storage, 0, None).headroom_for_set_in_flight
    assert BackupVolumeSize(backups, storage, enough, None).covers_set_in_flight
    assert not BackupVolumeSize(backups, storage, enough - 1, None).covers_set_in_flight


@given(sizes, sizes)
def test_a_volume_never_shrinks(current: Quantity, wanted: Quantity) -> None:
    assert grown(current, wanted).size == max(current, wanted)


@pytest.mark.parametrize(
    ("current", "wanted", "told"),
    [
        ("280Gi", "420Gi", "280 GiB -> 420 GiB"),
        ("420Gi", "280Gi", "stays 420 GiB (280 GiB would be enough, but a volume never shrinks)"),
        ("1536Gi", "1.5Ti", "stays 1536 GiB"),
    ],
)
def test_growth_is_told_in_words(current: str, wanted: str, told: str) -> None:
    assert str(grown(Quantity.parse(current), Quantity.parse(wanted))) == told


def test_the_limit_cuts_and_is_seen() -> None:
    size = BackupVolumeSize(7, Quantity.parse("60Gi"), 20, Quantity.parse("450Gi"))
    assert (str(size.formula), str(size.wanted), str(size.size), size.capped) == ("420Gi", "504Gi", "450Gi", True)
    assert not size.covers_set_in_flight
    assert str(size) == "7 x 60Gi = 420Gi, 20 % headroom, limited to 450Gi"


def test_no_backups_have_no_size() -> None:
    with pytest.raises(ValueError, match="must be 1 or more, found 0"):
        volume_size(0, Quantity(1))
