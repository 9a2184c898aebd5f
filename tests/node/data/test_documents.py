"""A folder of somebody's files becomes documents; what cannot be read is counted, not fatal."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.data.documents import Document, Skipped, files, read
from shared.errors import OwnerMustAct


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"caf\xe9", "not UTF-8"),
        ("a.txt", "caf\u00e9".encode("utf-16"), "not UTF-8"),
        ("a.md", b"a\0b", "not text"),
        ("a.txt", b" \n\n ", "nothing in it"),
        ("a.docx", b"PK", "not .txt"),
        ("a", b"text", "not .txt"),
    ],
)
def test_what_cannot_be_read_is_skipped_with_a_reason(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(data)
    found = read(tmp_path, name)
    assert isinstance(found, Skipped)
    assert found.reason.startswith(reason)


def test_a_file_from_windows_reads_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "A.TXT").write_bytes("\ufeffone\r\n\r\ntwo\r\nlines".encode())
    assert read(tmp_path, "A.TXT") == Document("A.TXT", ("one", "two\nlines"))


def test_a_file_where_a_folder_is_wanted_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(OwnerMustAct, match=r"notes\.txt is a file\. Put it into a folder"):
        files(tmp_path / "notes.txt")


def test_hidden_files_and_links_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for name in ("b/deep.txt", "a.txt", ".secret.txt", ".git/x.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    (tmp_path / "elsewhere.txt").write_text("x")
    (folder / "link.txt").symlink_to(tmp_path / "elsewhere.txt")
    (folder / "linked").symlink_to(tmp_path)
    assert files(folder) == ["a.txt", "b/deep.txt"]


def test_an_empty_or_missing_folder_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(OwnerMustAct, match="is empty"):
        files(tmp_path)
    with pytest.raises(OwnerMustAct, match="There is no folder"):
        files(tmp_path / "absent")
