"""Archives: what is in them is read inside limits, and nothing in them leads out of them."""

from __future__ import annotations

import copy
import gzip
import io
import random
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from node.data.document import Document, Unreadable
from node.data.reading import archives, texts
from node.data.reading.limits import Budget, Exhausted, Limits
from node.data.reading.read import Options
from node.data.reading.streams import Stream
from tests.node.data.reading.conftest import Read

SMALL = Options(limits=Limits(free=1 << 20, members=50, whole=4 << 20))


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(members: dict[str, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


FILES = {"b/one.txt": b"one", "two.html": b"<p>two</p>", ".hidden/x.txt": b"no", "c.bin": b"\0"}
BOTH = [("b/one.txt", "one"), ("two.html", "two")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", zipped(FILES)),
        ("a.tar", tarred(FILES)),
        ("a.tgz", gzip.compress(tarred(FILES, tarfile.GNU_FORMAT))),
        ("a.tar.zst", zstandard.compress(tarred(FILES, tarfile.USTAR_FORMAT))),
    ],
)
def test_what_is_packed_is_read_by_its_own_name(tmp_path: Path, read: Read, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    found = read()
    assert [(one.name, one.text) for one in found if isinstance(one, Document)] == [
        (f"{name}!{inner}", text) for inner, text in BOTH
    ]
    assert found[-1] == Unreadable(f"{name}!c.bin", ".bin: not a kind of file that is read")


def test_one_packed_file_keeps_its_name(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two"))
    (tmp_path / "b.py.zst").write_bytes(zstandard.compress(b"x = 1"))
    assert read() == [Document("a.txt.gz", "one\ntwo"), Document("b.py.zst", "x = 1", kind="code")]


def test_archives_in_archives_are_opened_a_few_levels_deep(tmp_path: Path, read: Read) -> None:
    data = zipped({"note.txt": b"deep"})
    for level in range(4):
        data = zipped({f"{level}.zip": data, f"{level}.txt": b"here"})
    (tmp_path / "a.zip").write_bytes(data)
    found = read()
    assert sum(isinstance(one, Document) for one in found) == 4
    assert (
        Unreadable("a.zip!3.zip!2.zip!1.zip!0.zip", "an archive within too many others (unpack it yourself)") in found
    )


@pytest.mark.parametrize("long", ["x" * 90 + "/" + "é" * 90 + ".txt", "d/" * 200 + "a.txt"])
@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_in_tars_are_read(tmp_path: Path, read: Read, long: str, format: int) -> None:
    (tmp_path / "a.tar").write_bytes(tarred({long: b"text", "b.txt": b"after"}, format))
    assert read() == [Document(f"a.tar!{long}", "text"), Document("a.tar!b.txt", "after")]


@pytest.mark.parametrize(
    "name", ["../../evil.txt", "/etc/evil.txt", "a/../../evil.txt", "C:\\evil.txt", "..\\evil.txt"]
)
def test_names_that_lead_out_are_refused(tmp_path: Path, read: Read, name: str) -> None:
    (tmp_path / "a.tar").write_bytes(tarred({name: b"x", "good.txt": b"good"}))
    (tmp_path / "b.zip").write_bytes(zipped({name: b"x", "good.txt": b"good"}))
    assert read() == [
        Unreadable(f"a.tar!{name}", archives.LEADS_OUT), Document("a.tar!good.txt", "good"),
        Unreadable(f"b.zip!{name}", archives.LEADS_OUT), Document("b.zip!good.txt", "good"),
    ]  # fmt: skip


def test_links_and_devices_in_archives_are_refused(tmp_path: Path, read: Read) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("hard", tarfile.LNKTYPE), ("null", tarfile.CHRTYPE), ("soft", tarfile.SYMTYPE)):
            info = tarfile.TarInfo(f"{name}.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    link = zipfile.ZipInfo("soft.txt")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as zipped_:
        zipped_.writestr(link, "/etc/passwd")
    assert read() == [
        Unreadable(name, archives.LINK)
        for name in ("a.tar!hard.txt", "a.tar!null.txt", "a.tar!soft.txt", "b.zip!soft.txt")
    ]


def test_a_zip_with_a_password_is_told(tmp_path: Path, read: Read) -> None:
    data = bytearray(zipped({"a.txt": b"secret", "b.txt": b"open"}))
    data[6] |= 1  # the flag in the member's own header, and in the list
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    assert read() == [Unreadable("a.zip!a.txt", archives.LOCKED), Document("a.zip!b.txt", "open")]


BLANKS = b" " * (8 << 20)
RATIO = "unpacks to more than 100 times its size (unpack it yourself if you trust it)"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt.gz", gzip.compress(BLANKS)),
        ("a.html.zst", zstandard.compress(b"<script>" + BLANKS)),
        ("a.zip", zipped({"a.txt": BLANKS})),
        ("a.zip", zipped({"a.zip": zipped({"b.jsonl": BLANKS})})),
        ("a.tar.gz", gzip.compress(tarred({"a.csv": b"a,b\n" + BLANKS}))),
        ("a.tgz", gzip.compress(tarred({f"{number}.html": b"<script>" + BLANKS[: 1 << 20] for number in range(9)}))),
    ],
)
def test_bombs_are_left_after_a_megabyte(tmp_path: Path, read: Read, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    *before, last = read(SMALL)
    assert isinstance(last, Unreadable)
    assert (last.name.split("!")[0], last.reason) == (name, RATIO)
    assert len(before) < 12


def test_a_stream_is_left_as_soon_as_too_much_has_come_out_of_too_little() -> None:
    noise = random.Random(0).randbytes(1 << 20)
    data = gzip.compress(BLANKS) * 8 + gzip.compress(noise)  # 65 MB of 1.1 MB: the whole is within the ratio
    stream, budget = Stream(io.BytesIO(data)), Budget(Limits(free=1 << 20), len(data))
    budget.follow(lambda: stream.at)
    out = archives.unpacked(stream, budget, zstandard=False)
    with pytest.raises(Exhausted, match="100 times its size"):
        out.read()
    assert budget.unpacked <= 1 << 20
    assert stream.at < len(data) // 4


def test_a_zip_is_judged_by_what_it_says_before_anything_is_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", BLANKS)
        archive.writestr("good.txt", b"good")
    budget = Budget(Limits(free=1 << 20), len(file.getvalue()))
    bomb, good = archives.zip_members(file, "a.zip", budget)
    assert bomb == Unreadable("a.zip!bomb.txt", RATIO)
    assert isinstance(good, archives.Member)
    assert budget.unpacked == 0


def test_a_zip_whose_members_share_their_bytes_is_refused_whole() -> None:
    words = b"".join(b"%d " % number for number in range(300_000))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", words)
        for number in range(200):
            again = copy.copy(archive.filelist[0])
            again.filename = f"{number}.txt"
            archive.filelist.append(again)
    budget = Budget(Limits(free=1 << 20), len(file.getvalue()))
    with pytest.raises(Exhausted, match="100 times its size"):
        next(archives.zip_members(file, "a.zip", budget))
    assert budget.unpacked == 0


def test_a_zip_packed_by_bzip2_is_read(tmp_path: Path, read: Read) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.txt", "some words " * 9000)
    assert read() == [Document("a.zip!a.txt", ("some words " * 9000).strip())]


def test_an_archive_of_very_many_files_is_left(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.tar").write_bytes(tarred({f"{number}.txt": b"x" for number in range(60)}))
    (tmp_path / "b.zip").write_bytes(zipped({f"{number}.txt": b"x" for number in range(60)}))
    found = read(SMALL)
    assert sum(isinstance(one, Document) for one in found) == 100
    assert [one.name for one in found if isinstance(one, Unreadable)] == ["a.tar", "b.zip"]


def test_a_zip_whose_list_is_too_long_to_hold_is_refused(tmp_path: Path, read: Read) -> None:
    data = bytearray(zipped({"a.txt": b"x"}))
    struct.pack_into("<I", data, data.rindex(b"PK\5\6") + 12, 1 << 30)
    (tmp_path / "a.zip").write_bytes(data)
    assert read() == [Unreadable("a.zip", "a zip of too many files (unpack it yourself)")]


def test_a_tar_with_a_name_of_a_gigabyte_is_not_held(tmp_path: Path, read: Read) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 5000)
    assert read() == [Unreadable("a.tar", archives.DAMAGED)]


@pytest.mark.parametrize("cut", [3, 40, 700, -1, -30])
def test_what_breaks_off_gives_what_came_before(tmp_path: Path, read: Read, cut: int) -> None:
    members = {"a.txt": b"good", "b.txt": bytes(range(33, 127)) * 50}
    (tmp_path / "a.zip").write_bytes(zipped(members)[:cut])
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(tarred(members))[:cut])
    (tmp_path / "c.tar.zst").write_bytes(zstandard.compress(tarred(members))[:cut])
    (tmp_path / "d.tar").write_bytes(tarred(members)[:cut])
    for one in read():
        assert isinstance(one, Document) or one.reason in (
            archives.DAMAGED, "not a zip file, or a damaged one", texts.NOTHING,
        )  # fmt: skip


def test_a_pdf_larger_than_may_be_held_is_refused_inside_an_archive(tmp_path: Path, read: Read) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.pdf", b"%PDF-1.4" + bytes(5 << 20))
        archive.writestr("b.txt", b"after")
    assert read(SMALL) == [Unreadable("a.zip!a.pdf", archives.TOO_LARGE), Document("a.zip!b.txt", "after")]
