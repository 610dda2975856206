"""Sealed documents: whatever changes in one is either noticed or changes nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyx_dr.model.sealed import sealed, unsealed

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_DOCUMENTS = st.dictionaries(st.text().filter(lambda key: key != "seal"), _VALUES, max_size=5)
DOCUMENT: dict[str, Any] = {"rows": {"participant.events": 3000}, "offset": 200, "files": [{"path": "a", "bytes": 7}]}


@given(_DOCUMENTS)
def test_what_was_sealed_is_read(document: dict[str, Any]) -> None:
    assert unsealed(sealed(document)) == document


@pytest.mark.parametrize("bit", range(8))
def test_every_changed_bit_is_noticed_or_means_nothing(bit: int) -> None:
    content = sealed(DOCUMENT)
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << bit
        try:
            found = unsealed(bytes(changed))
        except ValueError:
            continue
        assert found == DOCUMENT


@pytest.mark.parametrize("length", [0, 1, 40, -1])
def test_cut_document_is_noticed(length: int) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unsealed(sealed(DOCUMENT)[:length])


@pytest.mark.parametrize("content", [b"[]", b"7", json.dumps(DOCUMENT).encode()])
def test_what_was_never_sealed_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no JSON object|not those that were sealed"):
        unsealed(content)
