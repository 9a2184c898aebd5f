"""A source that its owner removes: nothing on the PC names it any more, and what else is known stays."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from node.data import manifest
from node.data.building import build as building
from node.data.building.build import Progress, Wish, build
from node.data.building.choices import PLAIN
from node.data.building.removing import remove
from node.data.collection import read_meta
from node.data.tokens import collect
from shared.errors import OwnerMustAct
from tests.node.data.building.command import KEY, prose

PRIVATE = "divorce"


class Killed(BaseException):
    """As a kill would, at a chosen moment."""


def names(home: Path) -> list[Path]:
    """Every file in which the private name stands, or which bears it."""
    found = [path for path in home.rglob("*") if path.is_file()]
    return [path for path in found if PRIVATE in str(path) or PRIVATE.encode() in path.read_bytes()]


def test_the_name_of_what_was_removed_stands_nowhere(
    tmp_path: Path, tokenizer_json: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "COMMIT_SECONDS", 0.0)
    home, folder = tmp_path / "home", prose(tmp_path / "private", files=3)
    build(Wish(home, folder, PRIVATE, PLAIN), KEY)
    assert PRIVATE not in str(collect([home / "data" / PRIVATE], tokenizer_json).texts[0].name)
    other = prose(tmp_path / "other", files=2, first=100)
    shutil.copy(folder / "0001.txt", other)
    made = build(Wish(home, other, "other", PLAIN), KEY)
    assert made["copies_of"] == {PRIVATE: 1}
    begun = prose(tmp_path / "begun", files=6, first=200)
    shutil.copy(folder / "0002.txt", begun)

    def tell(progress: Progress) -> None:
        if progress.done == progress.total:
            raise Killed

    with pytest.raises(Killed):
        build(Wish(home, begun, "begun", PLAIN), KEY, 0, tell)
    assert names(home)

    assert remove(home, PRIVATE)["left_out"] == {"other": 1, "begun": 1}
    assert names(home) == []
    gone = {"a removed collection": 1}
    assert read_meta(home / "data" / "other") == {**made, "copies_of": gone}
    assert (manifest.read_manifest(home / "data" / "other") or {})["counts"]["copies_of"] == gone
    assert "| a removed collection | 1 |" in (home / "data" / "other" / "report.md").read_text("utf-8")
    assert build(Wish(home, begun, "begun", PLAIN), KEY)["copies_of"] == gone
    assert build(Wish(home, folder, PRIVATE, PLAIN), KEY)["documents"] == 3  # its words are new again


def test_killed_while_removing_the_next_command_takes_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, folder = tmp_path / "home", prose(tmp_path / "private", files=2)
    build(Wish(home, folder, PRIVATE, PLAIN), KEY)

    def killed(path: Path, **ignored: object) -> None:
        if path.exists():
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(Killed):
            remove(home, PRIVATE)
    assert names(home)
    assert remove(home, PRIVATE)["bytes"] == 0
    assert names(home) == []
    with pytest.raises(OwnerMustAct, match="no collection called divorce"):
        remove(home, PRIVATE)


def test_files_that_killed_commands_had_begun_are_swept(tmp_path: Path) -> None:
    home = tmp_path / "home"
    data = home / "data"
    build(Wish(home, prose(tmp_path / "notes", files=2), "notes", PLAIN), KEY)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as alive:  # ends with its input
        places = data, data / "notes", data / ".index"
        dead, living = ([place / f".file.{pid}.new" for place in places] for pid in (os.getpid(), alive.pid))
        for path in (*dead, *living):
            path.write_text("somebody's own words")
        dry = data / ".dry-run-abc"
        dry.mkdir()
        remaining = build(Wish(home, prose(tmp_path / "more", files=2, first=50), "more", PLAIN), KEY)
    assert remaining["documents"] == 2
    assert not [path for path in (*dead, dry) if path.exists()]
    assert all(path.exists() for path in living)
    remove(home, "more")
    assert not [path for path in living if path.exists()]
