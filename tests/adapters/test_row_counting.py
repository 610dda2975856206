"""Rows of a dump, counted while it is decoded: every cut and every damage of a compressed file is noticed."""

import gzip
import io
import subprocess
from pathlib import Path

import pytest

from catalyx_dr.adapters.dump_proof import row_faults
from catalyx_dr.adapters.row_counting import rows_by_table, rows_in
from catalyx_dr.model.errors import CatalyxDrError

_ROWS = b"".join(b"%d\tvalue\\nwith\\n lines\n" % number for number in range(5000))
_TABLE = _ROWS + b"\\.\n\n\n"


def _zstd(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-cq"], input=content, capture_output=True, check=True).stdout


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".zst", _zstd)])
def test_rows_are_counted(tmp_path: Path, suffix: str, pack: object) -> None:
    path = tmp_path / f"2699.dat{suffix}"
    path.write_bytes(pack(_TABLE))  # type: ignore[operator]

    assert rows_in(path) == 5000


def test_empty_table_has_no_rows_and_a_table_of_contents_has_no_count(tmp_path: Path) -> None:
    (tmp_path / "1.dat").write_bytes(b"\\.\n\n\n")
    (tmp_path / "toc.dat").write_bytes(b"PGDMP")
    (tmp_path / "blob_16.dat.zst").write_bytes(_zstd(b"large object"))

    assert rows_in(tmp_path / "1.dat") == 0
    assert rows_in(tmp_path / "toc.dat") is None
    assert rows_in(tmp_path / "blob_16.dat.zst") is None


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".zst", _zstd)])
def test_cut_file_is_noticed(tmp_path: Path, suffix: str, pack: object, kept: float) -> None:
    path = tmp_path / f"2699.dat{suffix}"
    content = pack(_TABLE)  # type: ignore[operator]
    path.write_bytes(content[: int(len(content) * kept)])

    with pytest.raises(CatalyxDrError):
        rows_in(path)


def test_whole_frame_that_ends_within_the_data_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "2699.dat.zst"
    path.write_bytes(_zstd(_ROWS[:1000]))

    with pytest.raises(CatalyxDrError, match="the end of the table's data is missing"):
        rows_in(path)


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
"""


def test_rows_of_a_script_are_counted_by_table() -> None:
    assert rows_by_table(io.BytesIO(_SCRIPT)) == {16401: 2, 16402: 0}


def test_script_that_ends_within_a_table_is_noticed() -> None:
    with pytest.raises(CatalyxDrError, match="ends within the data"):
        rows_by_table(io.BytesIO(_SCRIPT[:200]))


def test_differences_are_told_in_words() -> None:
    tables, rows = {1: "s.a", 2: "s.b", 3: "s.c"}, {"s.a": 1, "s.b": 2, "s.c": 3}

    assert row_faults(tables, rows, {1: 1, 2: 3}) == [
        "s.b has 2 rows in the database and 3 in the dump",
        "s.c has 3 rows in the database and no in the dump",
    ]
