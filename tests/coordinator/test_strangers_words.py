"""What a friend's PC says of itself is shown to the host: it may not break the table, the terminal or the journal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from coordinator.doors import convert
from coordinator.logic import tables
from coordinator.logic.facts import AvailabilityChanged
from coordinator.pictures import picture
from shared.errors import PotluckError
from shared.rpc.v1 import node_pb2, operator_pb2
from tests.coordinator.stories import ANA, BO, group, tell

AT = 1764018240.0
NASTY = ["[/x]", "[link=http://x]here[/link]", "\x1b[2J\x1b]0;owned\x07", "two\r\nlines", "\x9b2J"]


@pytest.mark.parametrize("until_ms", [1, 1 << 45, (1 << 52) - 1, 1 << 62, -5])
def test_a_pause_until_any_moment_can_be_shown(until_ms: int) -> None:
    said = node_pb2.Availability(state=node_pb2.Availability.STATE_PAUSED, until_ms=until_ms)
    state = tell(group(ANA, BO), AvailabilityChanged(AT, BO, convert.availability(said, AT)))
    assert [row.state for row in tables.nodes(state, str)] == ["ready", "paused"]


@pytest.mark.parametrize("nasty", NASTY)
def test_a_pcs_own_words_become_one_printable_line(nasty: str) -> None:
    able = convert.availability(node_pb2.Availability(sentence=nasty * 100), AT)
    data = convert.data_count(node_pb2.DataCount(name=nasty * 100))
    for text in (able.sentence, data.name, convert.text(nasty)):
        assert text.isprintable()
        assert len(text) <= convert.LONGEST


@pytest.mark.parametrize("nasty", NASTY)
def test_a_table_shows_any_words_as_they_are(nasty: str) -> None:
    data = [operator_pb2.DataCountStatus(name=nasty)]
    node = operator_pb2.NodeStatus(node="n" * 16, name=nasty, state=nasty, sentence=nasty, hardware=nasty, data=data)
    member = operator_pb2.MemberStatus(name=nasty, state=nasty, sentence=nasty)
    history = [operator_pb2.RoundStatus(number=1, phase=nasty, sentence=nasty, members=[member])]
    history.append(operator_pb2.RoundStatus(number=2, phase=nasty, sentence=nasty))
    run = operator_pb2.RunStatus(run="r", state=nasty, sentence=nasty, history=history)
    invite = operator_pb2.InviteStatus(name=nasty, state="open")
    reply = operator_pb2.StatusReply(cluster="c", words="w", nodes=[node], runs=[run], invites=[invite])
    console = Console(file=io.StringIO(), width=400)
    console.print(picture(reply, ["nodes", "rounds"]))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert all(character.isprintable() or character == "\n" for character in shown)
    if "[" in nasty and "\x1b" not in nasty and nasty.isprintable():
        assert nasty in shown


@pytest.mark.parametrize("nasty", NASTY)
def test_what_the_other_side_refuses_with_moves_no_cursor(nasty: str) -> None:
    sentence = PotluckError(f"The host refused: {nasty}").sentence
    assert all(character.isprintable() or character == "\n" for character in sentence)
