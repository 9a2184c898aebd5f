"""`potluck node data ...` as an owner types it, against the real child process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from node import cli, doctor, membership
from node.adding import listed
from node.data import manifest
from node.home import collections
from node.membership import Membership
from shared.ids import NodeId
from tests.node.data.building.command import KEY, prose

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PC that has joined."""
    monkeypatch.setenv("POTLUCK_HOME", str(tmp_path / "potluck"))
    home = tmp_path / "potluck" / "node"
    (home / "pki").mkdir(parents=True)
    (home / "pki" / "group.key").write_bytes(KEY)
    membership.save(home, Membership(NodeId("a" * 16), "ana", "saturday", ("127.0.0.1:1",), "127.0.0.1:1", 2))
    return home


def test_from_a_folder_to_its_report_and_away(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = prose(tmp_path / "notes", files=4)
    (folder / "card.txt").write_text("My address is ana@example.org, and it stands in this note of mine.")
    (folder / "picture.xyz").write_bytes(b"\0\1\2")

    def told(*words: str) -> object:
        assert cli.main(["data", *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    tried = told("add", str(folder), "--name", "notes", "--dry-run", "--cores", "1")
    assert isinstance(tried, dict)
    assert tried["dry_run"]
    assert tried["documents"] == 5
    assert told("list") == []
    assert not [*(home / "data").glob("*")] or [path.name for path in (home / "data").glob("[!.]*")] == []

    made = told("add", str(folder), "--name", "notes", "--cores", "1", "--licence", "my own words", "--tell-host")
    assert isinstance(made, dict)
    assert (made["documents"], made["licence"], made["shared"]) == (5, "my own words", True)
    assert made["skipped_words"] == ["1 .xyz: not a kind of file that is read: picture.xyz"]
    assert {key: made[key] for key in ("documents", "bytes")} == {key: tried[key] for key in ("documents", "bytes")}
    shown = told("show", "notes", "--count", "1")
    assert isinstance(shown, dict)
    assert [sample["in"] for sample in shown["samples"]] == ["train", "held"]
    report = told("report", "notes")
    assert isinstance(report, dict)
    assert "picture.xyz" in Path(report["page"]).read_text("utf-8")
    assert "my own words" in Path(report["markdown"]).read_text("utf-8")

    key = home / "pki" / "group.key"
    key.write_bytes(bytes(32))  # as after leaving and joining another group
    assert collections(home) == {}
    assert [row["usable"] for row in listed(home)] == [False]
    assert cli.main(["data", "list"]) == 0
    assert "Read its folder again" in capsys.readouterr().out
    key.write_bytes(KEY)
    assert list(collections(home)) == ["notes"]
    size = manifest.size(home / "data" / "notes")
    assert told("check", "notes") == {"checked": 1, "bytes": size, "full": True, "damages": {}}
    assert asyncio.run(doctor._data(home)).fine
    (home / "data" / "notes" / "held-000000.tar").write_bytes(b"rot")
    assert cli.main(["data", "check"]) == 1
    assert "held-000000.tar is damaged (3 bytes" in capsys.readouterr().out
    assert "held-000000.tar is damaged" in asyncio.run(doctor._data(home)).sentence

    assert cli.main(["data", "remove", "notes"]) == 0
    assert "Your own files are where they were" in capsys.readouterr().out
    assert told("list") == []
    assert cli.main(["data", "show", "notes"]) == 1
    again = told("add", str(folder), "--name", "other", "--cores", "1")  # nothing of it is taken for a copy
    assert isinstance(again, dict)
    assert (again["documents"], again["copies"]) == (5, {})
