"""Sealed documents: whatever changes in one is noticed."""

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
def test_every_changed_bit_is_noticed(bit: int) -> None:
    content = sealed(DOCUMENT)
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << bit
        with pytest.raises(ValueError, match=r".*"):
            unsealed(bytes(changed))


@pytest.mark.parametrize("length", [0, 1, 40, -1])
def test_cut_document_is_noticed(length: int) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unsealed(sealed(DOCUMENT)[:length])


SEALED = sealed(DOCUMENT)
OTHERS = [
    b"\xef\xbb\xbf" + SEALED,
    SEALED.decode().encode("utf-16"),
    SEALED + b"\n",
    SEALED.replace(b"{", b'{"offset": 7, ', 1),
    json.dumps(json.loads(SEALED)).encode(),
]


@pytest.mark.parametrize("content", [b"[]", b"7", b"[" * 100_000, json.dumps(DOCUMENT).encode(), *OTHERS])
def test_what_was_never_sealed_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no JSON object|no sealed document|not what was sealed"):
        unsealed(content)
