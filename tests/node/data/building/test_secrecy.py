"""What other users of the same PC can see of somebody's text: nothing."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from node import adding, membership
from node.membership import Membership
from shared.ids import NodeId
from tests.node.data.building.command import KEY, prose

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A PC that has joined."""
    home = tmp_path / "potluck" / "node"
    (home / "pki").mkdir(parents=True)
    (home / "pki" / "group.key").write_bytes(KEY)
    membership.save(home, Membership(NodeId("a" * 16), "ana", "saturday", ("127.0.0.1:1",), "127.0.0.1:1", 2))
    return home


def test_a_list_of_private_words_may_be_longer_than_any_command_line(home: Path, tmp_path: Path) -> None:
    folder = prose(tmp_path / "notes", files=2)
    (folder / "ana.txt").write_text("Here is Hildegunst of Mythenmetz, who lives in a long sentence of this file.")
    words = ["Hildegunst of Mythenmetz", *(f"word{number:06} of a long list" for number in range(8_000))]
    job = adding.Job(folder, "notes", {"blank_list": words, "clean": False}, cores=0)
    made = asyncio.run(adding.add(home, job))
    assert made["blanked"]["NAME"] == 1


def test_all_files_of_a_source_are_its_owners_alone(home: Path, tmp_path: Path) -> None:
    asyncio.run(adding.add(home, adding.Job(prose(tmp_path / "notes", files=2), "notes", cores=1)))
    made = [*(home / "data").rglob("*")]
    assert made
    assert [path for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
