"""What people copy by hand: ids of captures, age recipients, addresses, keys of Secrets."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrage import x25519

from catalyx_dr.model.addresses import check_url
from catalyx_dr.model.age_recipient import check_recipient
from catalyx_dr.model.capture_id import capture_id, captured_at, is_capture_id
from catalyx_dr.model.selector import Selection
from catalyx_dr.model.spec import SecretKey


@given(st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)).map(lambda one: one.replace(microsecond=0)))
def test_every_moment_has_an_id(moment: datetime) -> None:
    identifier = capture_id(moment)
    assert is_capture_id(identifier)
    assert captured_at(identifier) == moment


@pytest.mark.parametrize(
    "text", ["20260230t000000z", "20261399t250000z", "20261124T060000Z", "latest", "20261124t060060z"]
)
def test_digits_that_are_no_moment_are_no_id(text: str) -> None:
    assert not is_capture_id(text)


def test_moment_out_of_all_calendars_is_told() -> None:
    with pytest.raises(ValueError, match="is no moment with a time zone"):
        Selection.parse("latest before 9999-12-31T23:59:59-14:00")


@given(st.integers(0, 57), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_recipient_with_one_wrong_letter_is_none(place: int, letter: str) -> None:
    recipient = str(x25519.Identity.generate().to_public())
    assert check_recipient(recipient) == recipient
    wrong = recipient[: 4 + place] + letter + recipient[5 + place :]
    if wrong != recipient:
        with pytest.raises(ValueError, match="a letter is wrong"):
            check_recipient(wrong)


@pytest.mark.parametrize("url", ["http://validator-app:5003", "https://scan.example.com/api/scan", "http://[::1]:80/x"])
def test_addresses_that_can_be_asked(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://a:0",
        "http://a:99999",
        "http://a:b",
        "http://[::1",
        "http://:80",
        "http://u@a",
        "http://a/?b",
        "http://a/#b",
    ],
)
def test_what_only_looks_like_an_address(url: str) -> None:
    with pytest.raises(ValueError, match="is no address that can be asked"):
        check_url(url)


@pytest.mark.parametrize("key", [".", "..", "..a"])
def test_no_key_leads_out_of_its_folder(key: str) -> None:
    with pytest.raises(ValueError, match="it would lead out of its folder"):
        SecretKey(name="a", key=key)
