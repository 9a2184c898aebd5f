"""Conversations are cut around what is held out; tests are read up to what is scored."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.data import chat
from node.data.chats.parts import CONTEXT, cut, marked, parts
from node.data.document import Document, Message
from node.data.heldout import Fate, is_held_out, is_short, normalised

QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy PC, too
KEY = b"k" * 32
TRAIN, TEST, ASIDE = Fate.TRAIN, Fate.TEST, Fate.SET_ASIDE


def said(script: str) -> tuple[list[Message], list[Fate]]:
    """ "u" somebody, "a" the owner; in capitals held out, "x" and "y" set aside."""
    roles = {"u": "user", "x": "user", "a": "assistant", "y": "assistant"}
    fates = {"x": ASIDE, "y": ASIDE}
    messages = [Message(roles[c.lower()], f"{c}{number}") for number, c in enumerate(script)]
    return messages, [fates.get(c, TEST if c.isupper() else TRAIN) for c in script]


def shown(script: str) -> dict[Fate, list[str]]:
    """Each part: turns by "|"; what is only read of a reply in brackets."""
    found: dict[Fate, list[str]] = {TRAIN: [], TEST: []}
    for part in cut(*said(script)):
        turns = []
        for turn in part.messages:
            content, read = turn["content"].replace("\n", "+"), turn.get("read", 0)
            turns.append(f"[{content[:read]}]{content[read:]}" if read else content)
        found[part.fate].append("|".join(turns) or part.text.replace("\n\n", "¶"))
    return found


def test_turns_are_joined_and_nothing_is_learnt_without_a_question() -> None:
    assert shown("auuaaua")[TRAIN] == ["u1+u2|a3+a4|u5|a6"]
    assert shown("uau")[TRAIN] == ["u0|a1"]
    assert shown("uu") == {TRAIN: [], TEST: []}
    assert shown("") == {TRAIN: [], TEST: []}


def test_training_is_cut_around_what_is_held_out_or_set_aside() -> None:
    assert shown("uaUua")[TRAIN] == ["u0|a1", "u3|a4"]
    assert shown("uaxua") == {TRAIN: ["u0|a1", "u3|a4"], TEST: []}
    assert shown("uAua")[TRAIN] == ["u2|a3"]
    assert shown("uUa")[TRAIN] == []  # the question is not all there


def test_a_test_reads_what_was_said_before_and_scores_what_is_held_out() -> None:
    assert shown("uauA")[TEST] == ["u0|[a1]|u2|A3"]
    assert shown("uaAa")[TEST] == ["u0|[a1]+A2"]
    assert shown("uAaA")[TEST] == ["u0|A1", "u0|[A1+a2]+A3"]
    assert shown("uAAu")[TEST] == ["u0|A1+A2"]
    assert shown("uyA")[TEST] == ["u0|[y1]+A2"]
    assert shown("Ua")[TEST] == []  # the other one's words are tested on their PC
    assert shown("Au")[TEST] == []  # nothing was said before


def test_a_monologue_is_prose() -> None:
    assert shown("aaAyA") == {TRAIN: ["a0¶a1"], TEST: ["A2¶A4"]}


def test_a_test_does_not_read_too_far_back() -> None:
    messages = [Message(role, f"{n} " + "x" * 150) for n, role in enumerate(["user", "assistant"] * 20)]
    fates = [TRAIN] * 39 + [TEST]
    *_, test = cut(messages, fates)
    assert sum(len(turn["content"]) for turn in test.messages[:-1]) <= CONTEXT
    assert test.messages[0]["role"] == "user"
    assert len(test.messages) == 6
    long = [Message("user", "x" * 9000), Message("assistant", "y")]
    (one,) = cut(long, [TRAIN, TEST])
    assert len(one.messages) == 2


def test_in_groups_names_stand_before_what_is_said() -> None:
    group = [Message("user", word, name) for word, name in (("a", "Kim-1"), ("b", "Kim-1"), ("c", "Lou-2"))]
    group.append(Message("assistant", "d"))
    (part,) = cut(group, [TRAIN] * 4)
    assert part.messages[0]["content"] == "Kim-1: a\nb\nLou-2: c"


messages = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant", "assistant"]),
    content=st.integers(0, 60).map(lambda n: f"number {n} of the long messages") | st.sampled_from(["ok", " "]),
)  # fmt: skip
conversations = st.lists(messages, max_size=25).map(lambda said: Document("x", messages=tuple(said), kind="chat"))


def trained_and_scored(document: Document) -> tuple[set[str], set[str]]:
    trained, scored = set(), set()
    for part in parts(document, KEY):
        turns: list[dict[str, Any]] = [dict(turn) for turn in part.messages]
        if part.fate is TRAIN:
            trained |= {normalised(one) for turn in turns for one in turn["content"].split("\n")}
            trained |= {normalised(one) for one in part.text.split("\n\n") if not turns}
        else:
            replies = [turn["content"][turn.get("read", 0) :] for turn in turns if turn["role"] == "assistant"]
            scored |= {normalised(one) for reply in replies for one in reply.split("\n") if one}
            scored |= {normalised(one) for one in part.text.split("\n\n") if not turns}
        if turns:
            assert (
                chat.conversations(json.dumps({"messages": turns})) is not None
            )  # it is one, for whoever trains on it
            roles = [turn["role"] for turn in turns]
            assert roles == ["user", "assistant"] * (len(roles) // 2)
    return trained, scored


@QUIET
@given(conversations, conversations)
def test_what_anybody_is_scored_on_nobody_trains_on(mine: Document, theirs: Document) -> None:
    trained, scored = trained_and_scored(marked(mine, KEY))
    also_trained, also_scored = trained_and_scored(marked(theirs, KEY))
    assert not (trained | also_trained) & (scored | also_scored)
    assert not any(is_short(one) for one in scored | also_scored)


def test_blanking_makes_no_leak() -> None:
    """Two texts that become one by blanking are trained on only if neither was held out, scored only if both were."""
    raw = [f"my number is 0170 {n:05}, call me when you can" for n in range(200)]
    blank = [text.replace(text[13:23], "[phone]") for text in raw]
    for key in (bytes([n]) * 32 for n in range(30)):
        fates = set()
        for text, after in zip(raw, blank, strict=True):
            held = is_held_out(key, text)
            asked = Message("user", "what is your number?")
            document = Document("x", messages=(asked, Message("assistant", after, held=held)))
            fates |= {part.fate for part in parts(document, key)}
        assert fates == {TEST if is_held_out(key, blank[0]) else TRAIN}
