"""Archives: streamed, exactly the manifest's files, every damage noticed."""

import hashlib
import io
import os
import resource
import tarfile
from pathlib import Path
from typing import Any

import pyrage
import pytest

from catalyx_dr.adapters import archives
from catalyx_dr.adapters.archives import TarStream, segment_name, segments, unpack
from catalyx_dr.adapters.dump_files import check_unchanged, dump_path, measured
from catalyx_dr.adapters.encryption import AgeIdentities, encrypt
from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnprovenError

_IDENTITY = pyrage.x25519.Identity.generate()
_BREAK_GLASS = pyrage.x25519.Identity.generate()
_RECIPIENTS = (str(_IDENTITY.to_public()), str(_BREAK_GLASS.to_public()))


@pytest.fixture
def dump(tmp_path: Path) -> tuple[Path, tuple[StoredFile, ...]]:
    """A folder with three files of a dump."""
    root = tmp_path / "set"
    (root / "participant").mkdir(parents=True)
    for name, size in (("toc.dat", 100), ("1.dat", 0), ("2.dat.zst", 300_000)):
        (root / "participant" / name).write_bytes(os.urandom(size))
    return root, measured(root, "participant", 2)


@pytest.fixture(params=[100_000, archives.SEGMENT_BYTES], ids=["four segments", "one segment"], autouse=True)
def segment_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test, with an archive in several segments and in one."""
    monkeypatch.setattr(archives, "SEGMENT_BYTES", request.param)


Packed = dict[StoredFile, bytes]


def _pack(root: Path, files: tuple[StoredFile, ...]) -> Packed:
    """Segments of the archive as they are stored."""
    packed = {}
    for number, segment in enumerate(segments(TarStream(root, files)), 1):
        content = io.BytesIO()
        encrypt(segment, content, _RECIPIENTS)
        packed[stored_as(content.getvalue(), segment_name("participant.tar", number))] = content.getvalue()
    return packed


def _unpack(
    packed: Packed, root: Path, files: tuple[StoredFile, ...], identity: pyrage.x25519.Identity = _IDENTITY
) -> None:
    unpack(list(packed), lambda one: io.BytesIO(packed[one]), AgeIdentities([identity]), root, files)


def stored_as(content: bytes, path: str = "participant.tar.0001.age") -> StoredFile:
    return StoredFile(path=path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("identity", [_IDENTITY, _BREAK_GLASS], ids=["first recipient", "break-glass recipient"])
def test_every_recipient_gets_the_same_files(
    dump: tuple[Path, tuple[StoredFile, ...]], tmp_path: Path, identity: pyrage.x25519.Identity
) -> None:
    root, files = dump

    _unpack(_pack(root, files), tmp_path / "new", files, identity)

    check_unchanged(tmp_path / "new", "participant", files, 2)


@pytest.mark.parametrize("number", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize("position", [0, 30, 400, 0.3, 0.9, -1])
def test_damage_anywhere_is_noticed(
    dump: tuple[Path, tuple[StoredFile, ...]], tmp_path: Path, number: int, position: float
) -> None:
    root, files = dump
    packed = _pack(root, files)
    segment = list(packed)[number]
    damaged = bytearray(packed[segment])
    damaged[position if isinstance(position, int) else int(position * len(damaged))] ^= 1

    with pytest.raises((UnprovenError, RefusedError), match=segment.path):
        _unpack(packed | {segment: bytes(damaged)}, tmp_path / "new", files)


@pytest.mark.parametrize("number", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.9999])
def test_cut_segment_is_noticed(
    dump: tuple[Path, tuple[StoredFile, ...]], tmp_path: Path, number: int, share: float
) -> None:
    root, files = dump
    packed = _pack(root, files)
    segment = list(packed)[number]
    content = packed[segment]

    with pytest.raises(UnprovenError, match=segment.path):
        _unpack(packed | {segment: content[: int(share * len(content))]}, tmp_path / "new", files)


def test_another_archive_for_the_same_recipient_is_noticed(
    dump: tuple[Path, tuple[StoredFile, ...]], tmp_path: Path
) -> None:
    root, files = dump
    stored, others = _pack(root, files), _pack(root, files)

    with pytest.raises(UnprovenError, match=r"0001\.age is not what its manifest says: it has "):
        _unpack(dict(zip(stored, others.values(), strict=True)), tmp_path / "new", files)


def test_segments_are_of_one_size_and_none_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SEGMENT_BYTES", 4)

    def sizes(content: bytes) -> list[int]:
        return [len(b"".join(iter(lambda: one.read(3), b""))) for one in segments(io.BytesIO(content))]  # noqa: B023

    assert sizes(bytes(12)) == [4, 4, 4]
    assert sizes(bytes(13)) == [4, 4, 4, 1]
    assert sizes(b"") == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("/etc/outside", tarfile.REGTYPE),
        ("participant/toc.dat", tarfile.SYMTYPE),
        ("participant/toc.dat", tarfile.LNKTYPE),
        ("participant/unnamed", tarfile.REGTYPE),
    ],
)
def test_member_that_the_manifest_does_not_name_is_refused(
    dump: tuple[Path, tuple[StoredFile, ...]], tmp_path: Path, name: str, kind: bytes
) -> None:
    _, files = dump
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member, io.BytesIO())
    content = pyrage.encrypt(plain.getvalue(), [_IDENTITY.to_public()])

    with pytest.raises(UnprovenError, match="which its manifest does not name"):
        _unpack({stored_as(content): content}, tmp_path / "new", files)

    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "new" / "participant").exists()


def test_streamed_dump_is_decrypted_as_the_archive_that_it_is(tmp_path: Path) -> None:
    content = io.BytesIO()
    encrypt(io.BytesIO(b"custom format"), content, _RECIPIENTS)
    files = (stored_as(b"custom format", "participant.dump"),)
    stored = stored_as(content.getvalue(), "participant.dump.0001.age")

    _unpack({stored: content.getvalue()}, tmp_path / "new", files)

    check_unchanged(tmp_path / "new", "participant", files, 2)
    assert dump_path(tmp_path / "new", "participant") == tmp_path / "new" / "participant.dump"


def test_error_of_either_end_is_raised_as_it_is(dump: tuple[Path, tuple[StoredFile, ...]]) -> None:
    root, files = dump
    (root / files[-1].path).unlink()
    with pytest.raises(FileNotFoundError):
        encrypt(TarStream(root, files), io.BytesIO(), _RECIPIENTS)
    with pytest.raises(io.UnsupportedOperation):
        encrypt(io.BytesIO(b"0" * 100_000), io.BufferedReader(io.BytesIO()), _RECIPIENTS)


def test_file_that_became_shorter_is_noticed(dump: tuple[Path, tuple[StoredFile, ...]]) -> None:
    root, files = dump
    os.truncate(root / "participant" / "2.dat.zst", 1000)

    with pytest.raises(UnprovenError, match="became shorter"):
        encrypt(TarStream(root, files), io.BytesIO(), _RECIPIENTS)


def test_wrong_recipient_is_named(dump: tuple[Path, tuple[StoredFile, ...]]) -> None:
    root, files = dump
    wrong = "age1" + "q" * 58
    with pytest.raises(RefusedError, match=wrong):
        encrypt(TarStream(root, files), io.BytesIO(), [wrong])


class _Nowhere(io.RawIOBase):
    bytes = 0

    def write(self, data: Any, /) -> int:
        self.bytes += len(data)
        return len(data)


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    (tmp_path / "participant").mkdir()
    with (tmp_path / "participant" / "large").open("wb") as file:
        file.truncate(300_000_000)
    files = measured(tmp_path, "participant", 1)
    nowhere = _Nowhere()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    encrypt(TarStream(tmp_path, files), nowhere, _RECIPIENTS)

    assert nowhere.bytes > 300_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_changed_missing_and_added_files_are_named(dump: tuple[Path, tuple[StoredFile, ...]]) -> None:
    root, files = dump
    (root / "participant" / "toc.dat").unlink()
    (root / "participant" / "1.dat").write_bytes(b"x")
    (root / "participant" / "new").touch()

    with pytest.raises(CatalyxDrError) as caught:
        check_unchanged(root, "participant", files, 2)

    for fault in ("toc.dat is missing", "new does not belong to it", "1.dat has changed"):
        assert fault in str(caught.value)


def test_folder_may_be_renamed_while_it_is_packed(dump: tuple[Path, tuple[StoredFile, ...]]) -> None:
    root, files = dump
    stream = TarStream(root, files)
    first = stream.read(100)

    root.rename(root.with_name("published"))

    assert len(first + b"".join(iter(stream.read, b""))) > sum(file.bytes for file in files)
