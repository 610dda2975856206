"""Lengths of time as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyx_dr.model.duration import format_duration, parse_duration


@given(st.integers(1, 10**9))
def test_written_and_read_again_it_is_the_same(seconds: int) -> None:
    length = timedelta(seconds=seconds)
    assert parse_duration(format_duration(length)) == length


@pytest.mark.parametrize("text", ["", "4", "4 h", "h", "1h1d", "1.5h", "-1h", "1w", "4H"])
def test_what_is_no_length(text: str) -> None:
    with pytest.raises(ValueError, match="is no length of time; write for example 4h, 90m, 30d or 1d12h"):
        parse_duration(text)
