"""What is in a folder, and what is left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.data.document import Document, Unreadable
from node.data.reading import files
from node.data.reading.files import Entry, inventory
from node.data.reading.read import Part, documents
from shared.errors import OwnerMustAct
from tests.node.data.reading.conftest import Read


def names(folder: Path) -> list[str]:
    return [found.name for found in inventory(folder) if isinstance(found, Entry)]


def test_files_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b/x.txt", "b.txt", "a/z/1.txt", "a/é.txt", "a-b.txt", "B.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert names(tmp_path) == sorted(["b/x.txt", "b.txt", "a/z/1.txt", "a/é.txt", "a-b.txt", "B.txt"])


def test_the_homes_of_nodes_are_left_alone_and_told(tmp_path: Path) -> None:
    for name in ("potluck/node/pki/group.key", "potluck/node/data/notes/report.md", "potluck/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [*inventory(tmp_path)][1:] == [Unreadable("potluck/node", files.OURS)]
    assert names(tmp_path) == ["potluck/a.txt"]


def test_hidden_files_are_left_alone_and_links_and_pipes_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / ".git").mkdir(parents=True)
    for name in (".git/x.txt", ".secret.txt", "a.txt"):
        (folder / name).write_text("x")
    (folder / "elsewhere").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    told = [found for found in inventory(folder) if isinstance(found, Unreadable)]
    assert names(folder) == ["a.txt"]
    assert told == [
        Unreadable("elsewhere", files.LINK), Unreadable("loop", files.LINK), Unreadable("pipe", files.NO_FILE),
    ]  # fmt: skip


def test_names_that_cannot_be_printed_are_escaped(tmp_path: Path, read: Read) -> None:
    for name in (b"caf\xe9.txt", b"two\nlines\x1b[2J.txt", "wörter.txt".encode()):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    assert {found.name for found in read()} == {"caf\\xe9.txt", "two\\x0alines\\x1b[2J.txt", "wörter.txt"}
    assert all(isinstance(found, Document) for found in read())


def test_a_path_too_long_for_the_system_is_told(tmp_path: Path, read: Read) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("deep" * 50, dir_fd=here)
        inner = os.open("deep" * 50, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    (tmp_path / "z.txt").write_text("still read")
    found = read()
    assert [one.reason for one in found if isinstance(one, Unreadable)] == [files.LONG_PATH]
    assert found[-1] == Document("z.txt", "still read")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_what_may_not_be_opened_is_told(tmp_path: Path, read: Read) -> None:
    (tmp_path / "locked").mkdir(0o000)
    (tmp_path / "a.txt").touch(0o000)
    assert read() == [Unreadable("a.txt", files.FORBIDDEN), Unreadable("locked/", files.FORBIDDEN)]


def test_a_file_that_vanishes_or_becomes_something_else_is_told(tmp_path: Path) -> None:
    for name in ("changed", "folder", "gone", "linked", "pipe"):
        (tmp_path / f"{name}.txt").write_text("x")
    found = [entry for entry in inventory(tmp_path) if isinstance(entry, Entry)]
    (tmp_path / "changed.txt").write_text("more than before")
    for name in ("folder", "gone", "linked", "pipe"):
        (tmp_path / f"{name}.txt").unlink()
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "linked.txt").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.txt")
    assert [item for entry in found for item in documents(tmp_path, Part(entry))] == [
        Unreadable("changed.txt", files.CHANGED), Unreadable("folder.txt", files.GONE),
        Unreadable("gone.txt", files.GONE),
        Unreadable("linked.txt", files.LINK), Unreadable("pipe.txt", files.NO_FILE),
    ]  # fmt: skip


def test_a_file_that_changes_while_it_is_read_is_told_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (entry,) = inventory(tmp_path)
    assert isinstance(entry, Entry)
    reading = documents(tmp_path, Part(entry))
    assert next(reading) == Document("a.txt", "one")
    with (tmp_path / "a.txt").open("a") as file:
        file.write(" and more")
    assert list(reading) == [Unreadable("a.txt", files.CHANGED)]


def test_a_file_an_empty_or_a_missing_folder_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    for name, words in (("empty", "is empty"), ("absent", "There is no folder"), ("notes.txt", "is a file")):
        with pytest.raises(OwnerMustAct, match=words):
            list(inventory(tmp_path / name))


def test_a_kind_that_is_not_read_is_told_by_its_suffix_if_it_has_one(tmp_path: Path, read: Read) -> None:
    for name in ("a.jpg", "Backup of 3. May, second part"):
        (tmp_path / name).write_bytes(b"\0\1")
    assert [one.reason for one in read() if isinstance(one, Unreadable)] == [
        "not a kind of file that is read", ".jpg: not a kind of file that is read",
    ]  # fmt: skip
