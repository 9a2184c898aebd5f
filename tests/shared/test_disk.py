"""Files that survive, locks that tell who holds them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from shared.disk import HomeLock, disk_trouble, is_locked, private_folder, replacing, require_space, size_words, write
from shared.ending import owners_trouble
from shared.errors import DiskFull, OwnerMustAct


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write(target, b"old")
    with pytest.raises(ZeroDivisionError), replacing(target) as file:
        file.write(bytes([1 // len(b"")]))
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_written_files_are_for_their_owner_only(tmp_path: Path) -> None:
    write(tmp_path / "a" / "file", b"x")
    assert (tmp_path / "a" / "file").stat().st_mode & 0o077 == 0
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


def test_a_second_process_is_told_who_holds_the_home(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from shared.disk import HomeLock\n"
        "with HomeLock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_locked(tmp_path)
        with pytest.raises(OwnerMustAct, match=str(holder.pid)), HomeLock(tmp_path):
            pass
        holder.kill()
        holder.wait()
    assert not is_locked(tmp_path)
    with HomeLock(tmp_path):
        assert is_locked(tmp_path)


def test_folders_that_are_made_on_the_way_are_private_too(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        (tmp_path / "there").mkdir()
        made = private_folder(tmp_path / "there" / "a" / "b" / "c")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(folder.stat().st_mode) for folder in (made, *made.parents[:3])]
    assert modes == [0o700, 0o700, 0o700, 0o755]


def test_sizes_are_words() -> None:
    assert [size_words(n) for n in (12, 1500, 2_500_000, 3e9)] == ["12 B", "1.5 kB", "2.5 MB", "3.0 GB"]


def test_a_full_disk_is_named_with_what_is_free_there(tmp_path: Path) -> None:
    told = disk_trouble(OSError(errno.ENOSPC, "x"), tmp_path / "not" / "here")
    assert isinstance(told, DiskFull)
    mount = next(str(parent) for parent in tmp_path.parents if parent.is_mount())
    assert f"{tmp_path / 'not' / 'here'} could not be written (" in told.sentence
    assert f"free on the disk at {mount})" in told.sentence
    with pytest.raises(DiskFull, match=rf"it needs 1000\.0 TB, .* free on the disk at {re.escape(mount)}\."):
        require_space(tmp_path, 10**15, "a model")


def test_a_full_disk_under_a_database_is_named_where_the_folder_is_known(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.executescript("PRAGMA max_page_count = 3; CREATE TABLE t (x)")
        with pytest.raises(sqlite3.OperationalError) as full:
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    told = owners_trouble(full.value, tmp_path)
    assert isinstance(told, DiskFull)
    assert str(tmp_path) in told.sentence
    nowhere = owners_trouble(full.value)
    assert nowhere is not None
    assert "the disk is full" in nowhere.sentence
