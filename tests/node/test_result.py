"""What was fetched is still there when the host has gone home."""

from __future__ import annotations

import json
import os
from pathlib import Path

from node.result import earlier


def fetched(home: Path, run: str, kind: str, round_: int, age: float) -> None:
    folder = home / "result" / run
    (folder / kind).mkdir(parents=True)
    (folder / "base").mkdir()
    told = folder / "round.json"
    told.write_text(json.dumps({"round": round_, "rounds": 4}))
    os.utime(told, (1e9 - age, 1e9 - age))


def test_the_newest_result_is_found_without_the_host(tmp_path: Path) -> None:
    fetched(tmp_path, "monday", "adapter", 4, age=100)
    fetched(tmp_path, "tuesday", "model", 2, age=0)
    newest, named = earlier(tmp_path, ""), earlier(tmp_path, "monday")
    assert newest is not None
    assert named is not None
    assert (newest.run, newest.round, newest.adapter) == ("tuesday", 2, False)
    assert (named.run, named.tuned.name, named.adapter) == ("monday", "adapter", True)


def test_what_was_never_fetched_is_not_found(tmp_path: Path) -> None:
    assert earlier(tmp_path, "") is None
    (tmp_path / "result" / "half").mkdir(parents=True)
    assert earlier(tmp_path, "half") is None
    assert earlier(tmp_path, "") is None
