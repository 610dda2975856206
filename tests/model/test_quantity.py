"""Storage sizes as the Kubernetes API server reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyx_dr.model.quantity import Quantity


@given(st.integers(0, 2**63 - 1))
def test_written_and_read_again_it_is_the_same(size: int) -> None:
    assert Quantity.parse(str(Quantity(size))) == Quantity(size)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("10Gi", 10 * 2**30),
        ("1.5Gi", 3 * 2**29),
        (".5Gi", 2**29),
        ("5.Ki", 5120),
        ("1k", 1000),
        ("1500M", 1_500_000_000),
        ("2E", 2 * 10**18),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1.5e+3", 1500),
        ("+7", 7),
        ("5000m", 5),
        ("007Mi", 7 * 2**20),
    ],
)
def test_sizes_that_the_api_server_accepts(text: str, size: int) -> None:
    assert Quantity.parse(text).bytes == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 Gi",
        "1K",
        "1ki",
        "1KB",
        "1GB",
        "1gi",
        "Gi",
        "-1",
        "-1Gi",
        "1.2.3",
        "0x10",
        "1_000",
        "1e",
        "ten",
        "1Zi",
    ],
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size; write a number and one of Ki, Mi"):
        Quantity.parse(text)


@pytest.mark.parametrize("text", ["1m", "1.5", "0.3Ki", "1e-3"])
def test_parts_of_a_byte(text: str) -> None:
    with pytest.raises(ValueError, match="is not a whole number of bytes"):
        Quantity.parse(text)


@pytest.mark.parametrize("text", ["8Ei", "10E", "9223372036854775808", "1e19"])
def test_more_than_kubernetes_counts(text: str) -> None:
    with pytest.raises(ValueError, match="larger than any volume"):
        Quantity.parse(text)


@pytest.mark.parametrize(("size", "text"), [(2**30, "1Gi"), (1536 * 2**20, "1536Mi"), (1000, "1000"), (0, "0")])
def test_it_is_written_in_the_largest_binary_unit(size: int, text: str) -> None:
    assert str(Quantity(size)) == text


def test_arithmetic_and_order() -> None:
    assert Quantity(2) + Quantity(3) == Quantity(5)
    assert Quantity(2) * 3 == Quantity(6)
    assert Quantity(2) < Quantity(3)
    with pytest.raises(ValueError, match="cannot be negative"):
        Quantity(-1)
