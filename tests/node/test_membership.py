"""What a PC keeps of its membership, and how light the joining code is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from node import membership
from node.membership import Membership
from shared.errors import OwnerMustAct
from shared.ids import NodeId

ONE = Membership(NodeId("n"), "ana-pc", "saturday", ("10.0.0.1:7444", "[fd00::1]:7444"), "[fd00::1]:7444", 7443)


def test_a_membership_comes_back(tmp_path: Path) -> None:
    membership.save(tmp_path, ONE)
    assert membership.load(tmp_path) == ONE


def test_the_address_that_answered_last_is_tried_first() -> None:
    assert ONE.joining == ("[fd00::1]:7444", "10.0.0.1:7444")
    assert ONE.working == ("[fd00::1]:7443", "10.0.0.1:7443")
    assert ONE.answering == "[fd00::1]:7443"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"node": 1, "addresses": 3}', "\x00"])
def test_a_damaged_file_is_told_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "member.json").write_text(text)
    with pytest.raises(OwnerMustAct, match="damaged"):
        membership.load(tmp_path)


def test_without_a_membership_the_words_say_how_to_join(tmp_path: Path) -> None:
    with pytest.raises(OwnerMustAct, match="potluck node join"):
        membership.load(tmp_path)
    with pytest.raises(OwnerMustAct, match="potluck node leave"):
        membership.papers(tmp_path)


def test_forgetting_twice_is_forgetting(tmp_path: Path) -> None:
    membership.save(tmp_path, ONE)
    membership.forget(tmp_path)
    membership.forget(tmp_path)
    assert not membership.is_member(tmp_path)


def test_joining_needs_nothing_heavy_and_nothing_of_posix() -> None:
    program = (
        "import sys\n"
        "for name in ('fcntl', 'resource', 'pwd', 'grp', 'termios'): sys.modules[name] = None\n"
        "import node.join\n"
        "heavy = {'numpy', 'torch', 'pydantic', 'flwr', 'ray', 'safetensors', 'rich', 'typer'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
