"""Rows of a dump, counted while it is decoded: every cut and every damage of a compressed file is noticed."""

import gzip
import io
from collections.abc import Callable

import pytest
from backports import zstd

from catalyx_dr.adapters import row_counting
from catalyx_dr.adapters.dump_proof import row_faults
from catalyx_dr.adapters.row_counting import rows_by_table, rows_in
from catalyx_dr.model.errors import CatalyxDrError

_ROWS = b"".join(b"%d\tvalue\\nwith\\n lines\n" % number for number in range(5000))
_TABLE = _ROWS + b"\\.\n\n\n"


def _rows_in(name: str, content: bytes) -> int | None:
    return rows_in(name, io.BytesIO(content))  # type: ignore[arg-type]


_PACKED = pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".zst", zstd.compress)])


@_PACKED
def test_rows_are_counted(suffix: str, pack: Callable[[bytes], bytes]) -> None:
    assert _rows_in(f"2699.dat{suffix}", pack(_TABLE)) == 5000


def test_empty_table_has_no_rows_and_a_table_of_contents_has_no_count() -> None:
    assert _rows_in("1.dat", b"\\.\n\n\n") == 0
    assert _rows_in("toc.dat", b"PGDMP") is None
    assert _rows_in("blob_16.dat.zst", zstd.compress(b"large object")) is None


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
@_PACKED
def test_cut_file_is_noticed(suffix: str, pack: Callable[[bytes], bytes], kept: float) -> None:
    content = pack(_TABLE)
    with pytest.raises(CatalyxDrError, match="2699"):
        _rows_in(f"2699.dat{suffix}", content[: int(len(content) * kept)])


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", zstd.compress)])
def test_what_follows_the_end_is_noticed(suffix: str, pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(CatalyxDrError, match="cannot be decoded"):
        _rows_in(f"2699.dat{suffix}", pack(_TABLE) + b"more")


def test_large_object_that_is_cut_is_noticed() -> None:
    with pytest.raises(CatalyxDrError, match=r"blob_16\.dat\.zst cannot be decoded"):
        _rows_in("blob_16.dat.zst", zstd.compress(b"large object" * 1000)[:-3])


def test_whole_frame_that_ends_within_the_data_is_noticed() -> None:
    with pytest.raises(CatalyxDrError, match="the end of the table's data is missing"):
        _rows_in("2699.dat.zst", zstd.compress(_ROWS[:1000]))


_SCRIPT = rb"""-- PostgreSQL database dump
-- TOC entry 3400 (class 0 OID 16401)
-- Dependencies: 216
-- Data for Name: t; Type: TABLE DATA; Schema: s; Owner: o
COPY s.t (a, b) FROM stdin;
1	COPY x (a) FROM stdin;
2	-- TOC entry 1 (class 0 OID 2)
\.


-- TOC entry 3401 (class 0 OID 16402)
COPY s.empty (a) FROM stdin;
\.


-- TOC entry 3402 (class 0 OID 16403)
COPY s."line
end" ("a
b") FROM stdin;
1
\.
"""


def test_rows_of_a_script_are_counted_by_table() -> None:
    assert rows_by_table(io.BytesIO(_SCRIPT)) == {16401: 2, 16402: 0, 16403: 1}


def test_rows_longer_than_memory_may_be_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_counting, "_BLOCK_BYTES", 3)
    rows = b"12\n1\\.\nab\\.\nabc\\.\n\n123456\n"

    assert rows_by_table(io.BytesIO(b"-- TOC entry 1 (class 0 OID 7)\nCOPY t (a) FROM stdin;\n" + rows + b"\\.\n")) == {
        7: 6
    }


def test_script_that_ends_within_a_table_is_noticed() -> None:
    with pytest.raises(CatalyxDrError, match="ends within the data"):
        rows_by_table(io.BytesIO(_SCRIPT[:200]))


def test_differences_are_told_in_words() -> None:
    tables, rows = {1: "s.a", 2: "s.b", 3: "s.c"}, {"s.a": 1, "s.b": 2, "s.c": 3}

    assert row_faults(tables, rows, {1: 1, 2: 3}) == [
        "s.b has 2 rows in the database and 3 in the dump",
        "s.c has 3 rows in the database and no in the dump",
    ]


def test_names_that_look_like_the_end_of_a_statement() -> None:
    script = b'-- TOC entry 1 (class 0 OID 7)\nCOPY "t\n" ("x) FROM stdin;\n""a", b) FROM stdin;\n1\t2\n\\.\n'

    assert rows_by_table(io.BytesIO(script)) == {7: 1}


def test_script_that_ends_within_a_statement() -> None:
    with pytest.raises(CatalyxDrError, match="ends within a COPY statement"):
        rows_by_table(io.BytesIO(b'COPY t ("a) FROM stdin;\n'))
