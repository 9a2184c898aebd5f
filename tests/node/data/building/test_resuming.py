"""Killed at any moment and started again, a source comes out bit for bit as if nothing had happened."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from node.data.building.build import Wish, build
from node.data.building.choices import PLAIN
from shared.disk import turn
from tests.node.data.building.command import KEY, Command, adding, digests, prose

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prose(tmp_path_factory.mktemp("text") / "notes", files=60)


@pytest.fixture(scope="module")
def unkilled(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The shards that come out when nobody disturbs."""
    home = tmp_path_factory.mktemp("unkilled")
    build(Wish(home, folder, "t", PLAIN), KEY)
    return digests(home)


def done(share: float) -> object:
    return lambda fact: fact["fact"] == "progress" and fact["share"] > share


def taken(folder: Path) -> list[int]:
    """The units that were taken up, each time."""
    return [int(line.split()[0]) for line in (folder / ".taken.log").read_text().splitlines()]


def test_killed_twice_it_goes_on_and_two_workers_make_what_one_process_makes(
    folder: Path, unkilled: dict[str, str], tmp_path: Path
) -> None:
    words = [*adding(tmp_path, folder), "--cores", 2]
    for share in (0.1, 0.5):
        command = Command(*words)
        assert command.until(done(share))  # type: ignore[arg-type]
        command.kill()
        assert not (tmp_path / "data" / "t").exists()
    last = Command(*words)
    assert last.result()["fact"] == "done"
    assert digests(tmp_path) == unkilled
    units = taken(tmp_path / "data" / "t")
    assert len(units) - len(set(units)) <= 2 * 2  # what two workers were at, twice
    assert not [*(tmp_path / "data").glob(".t.*")]


def test_who_closes_its_input_stops_it_and_may_go_on(folder: Path, unkilled: dict[str, str], tmp_path: Path) -> None:
    command = Command(*adding(tmp_path, folder), "--cores", 1)
    assert command.until(done(0.1))  # type: ignore[arg-type]
    assert command.close() == 130
    assert command.facts[-1] == {"fact": "stopped"}
    build(Wish(tmp_path, folder, "t", PLAIN), KEY)
    assert digests(tmp_path) == unkilled


def test_another_source_comes_between_and_neither_loses_anything(
    folder: Path, unkilled: dict[str, str], tmp_path: Path
) -> None:
    command = Command(*adding(tmp_path, folder), "--cores", 1)
    assert command.until(done(0.3))  # type: ignore[arg-type]
    command.kill()
    other = prose(tmp_path / "other", files=3, first=1000)
    shutil.copy(other / "1001.txt", other / "copy.txt")
    between = build(Wish(tmp_path, other, "between", PLAIN), KEY)
    assert between["documents"] == 3
    assert between["copies"] == {"exact": 1}
    build(Wish(tmp_path, folder, "t", PLAIN), KEY)
    assert digests(tmp_path) == unkilled
    (again := tmp_path / "again").mkdir()
    for known in (folder / "0003.txt", other / "1002.txt"):
        shutil.copy(known, again)
    (again / "new.txt").write_text("Something that is in neither of them, and long enough to be a paragraph.")
    last = build(Wish(tmp_path, again, "again", PLAIN), KEY)
    assert last["copies_of"] == {"t": 1, "between": 1}
    assert last["train_documents"] + last["held_out_documents"] == 1


def test_who_adds_while_another_adds_is_told_and_waits(tmp_path: Path) -> None:
    folder = prose(tmp_path / "notes", files=1)
    lock = tmp_path / "data" / ".lock"
    lock.parent.mkdir()
    with turn(lock):
        second = Command(*adding(tmp_path, folder), "--cores", 0)
        assert second.until(lambda fact: fact.get("words") == "waiting for another add")
        assert not (tmp_path / "data" / "t").exists()
    assert second.result()["fact"] == "done"
