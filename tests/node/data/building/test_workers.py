"""Worker processes that die: nothing stops the rest."""

from __future__ import annotations

import errno
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.data.building import spool
from node.data.building.choices import PLAIN
from node.data.building.finding import Found
from node.data.building.journal import Journal
from node.data.building.plan import units
from node.data.building.refining import Work
from node.data.building.workers import Workers
from node.data.crashes import without_values
from shared.errors import OwnerMustAct
from tests.node.data.building.command import KEY, prose

pytestmark = pytest.mark.slow


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Of a folder with three units, the deadly file in the middle one."""
    folder = prose(tmp_path / "notes", files=6)
    (folder / "0002.txt").rename(folder / "deadly.txt")
    (folder / "0003.txt").rename(folder / "e.txt")
    (tmp_path / "units-t.1").mkdir()
    found = Found(folder, PLAIN)
    with Journal(tmp_path / ".state.db") as journal:
        journal.write_plan({"label": "t.1"}, units(found.parts(), found.bytes // 3), found)
        yield journal


def test_a_file_that_kills_its_worker_is_left_out_and_named(journal: Journal, tmp_path: Path) -> None:
    work = Work(tmp_path / "notes", KEY, KEY, PLAIN)
    with Workers(tmp_path, work, journal, 1, tmp_path / "log", "tests.node.data.building.dying_worker") as workers:
        done = [unit.number for unit in workers.refined(0)]
    assert done == [*range(len(done))]
    lines = [words for number in done for words in spool.read(spool.path_of(tmp_path, "t.1", number))]
    assert [words["name"] for words in lines if "name" in words] == [
        "0000.txt", "0001.txt", "0004.txt", "0005.txt", "e.txt",
    ]  # fmt: skip
    told = [one for words in lines for one in words.get("unreadable", [])]
    assert told == [["deadly.txt", "made our reader crash (twice), so it was left out"]]


def test_what_a_crash_leaves_in_the_log_quotes_nobody(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "notes" / "deadly.txt").rename(tmp_path / "notes" / "quoted.txt")
    (tmp_path / "notes" / "quoted.txt").write_text("My marzipan recipe is nobody's business.")
    found = Found(tmp_path / "notes", PLAIN)
    journal.write_plan({"label": "t.1"}, units(found.parts(), found.bytes // 3), found)
    work = Work(tmp_path / "notes", KEY, KEY, PLAIN)
    with Workers(tmp_path, work, journal, 1, tmp_path / "log", "tests.node.data.building.dying_worker") as workers:
        assert [unit.number for unit in workers.refined(0)]
    log = (tmp_path / "log").read_text()
    assert "marzipan" not in log
    assert "builtins.ValueError\n" in log
    assert "builtins.RuntimeError\n" in log
    assert re.search(r'dying_worker.py", line \d+, in read', log)


def test_an_error_that_no_text_can_stand_in_is_told_whole() -> None:
    for error, words in (
        (ModuleNotFoundError("No module named 'numba'"), "builtins.ModuleNotFoundError: No module named 'numba'"),
        (OSError(errno.EIO, "x", "private.txt"), "builtins.OSError: Input/output error"),
        (sqlite3.OperationalError("private"), "sqlite3.OperationalError"),
        (ExceptionGroup("private", [ValueError("private")]), "builtins.ValueError\nbuiltins.ExceptionGroup"),
    ):
        assert without_values(error) == f"{words}\n"


def test_workers_that_cannot_even_start_are_told(journal: Journal, tmp_path: Path) -> None:
    work = Work(tmp_path / "notes", KEY, KEY, PLAIN)
    with (
        Workers(tmp_path, work, journal, 1, tmp_path / "log", "no_such_module") as workers,
        pytest.raises(OwnerMustAct, match="end again and again"),
    ):
        list(workers.refined(0))
    assert "No module named" in (tmp_path / "log").read_text()
