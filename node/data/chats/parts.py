"""The way out: what of a conversation is trained on, and what is tested.

Training reads nothing that is held out, not even as context: conversations are cut around it. A test is one reply that
is held out, after what was said before; that is only read. A training conversation begins with somebody else, ends with
the owner, and takes turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from node.data.document import Document, Message
from node.data.heldout import Fate, fate, is_held_out

CONTEXT = 1000  # characters read before a reply that is tested: with it, less than the 512 tokens of a measurement


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a conversation, as it goes into the shards."""

    fate: Fate  # TRAIN or TEST
    text: str  # for people, and for finding repetitions; of a monologue all there is
    messages: tuple[dict[str, Any], ...] = ()  # role, content and, of replies, how many characters are only `read`


def parts(document: Document, group_key: bytes) -> Iterator[Part]:
    """Of a conversation whose messages are as they were said, after every stage.

    Where only the owner speaks, there is nothing to reply to: their words are prose, a paragraph each message.
    """
    said = [message for message in document.messages if message.content.strip()]
    yield from cut(said, [message_fate(group_key, message) for message in said])


def marked(document: Document, group_key: bytes) -> Document:
    """A conversation as it stands in a file of conversations, each message marked as held out or not."""
    said = (replace(one, held=is_held_out(group_key, one.content)) for one in document.messages)
    return replace(document, messages=tuple(said))


def cut(messages: Sequence[Message], fates: Sequence[Fate]) -> Iterator[Part]:
    """The parts, when what becomes of each message is known."""
    if all(message.role == "assistant" for message in messages):
        for wanted in (Fate.TRAIN, Fate.TEST):
            said = [message.content for message, its in zip(messages, fates, strict=True) if its is wanted]
            if said:
                yield Part(wanted, "\n\n".join(said))
        return
    for free, run in groupby(zip(messages, fates, strict=True), key=lambda pair: pair[1] is Fate.TRAIN):
        if free and (conversation := _training([message for message, _ in run])):
            yield _part(Fate.TRAIN, conversation)
    yield from _tests(messages, fates)


def whole(messages: Sequence[Message]) -> Part:
    """A conversation of a file that its owner named as a test: every reply is scored."""
    return _part(Fate.TEST, [{"role": one.role, "content": one.content} for one in messages])


def message_fate(group_key: bytes, message: Message) -> Fate:
    """By the words that it had in the file, and by those that it has now."""
    now = fate(group_key, message.content)
    if message.held is (now is Fate.TEST):
        return now
    return Fate.SET_ASIDE


def _training(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Turns from somebody else's first to the owner's last; none where one of them says nothing."""
    turns = _turns(messages)
    replies = [number for number, turn in enumerate(turns) if turn["role"] == "assistant"]
    first = next((number for number, turn in enumerate(turns) if turn["role"] != "assistant"), len(turns))
    return turns[first : replies[-1] + 1] if replies and replies[-1] > first else []


def _tests(messages: Sequence[Message], fates: Sequence[Fate]) -> Iterator[Part]:
    """One for each stretch of held-out messages within a turn of the owner's."""
    scored = [its is Fate.TEST and one.role == "assistant" for one, its in zip(messages, fates, strict=True)]
    start = 0
    for tested, run in groupby(scored):
        stop = start + len(list(run))
        if tested:
            before = _turns(messages[_context(messages, start) : start])
            turns = _turns(messages[_context(messages, start) : stop])
            if turns[0]["role"] != "assistant":
                going_on = len(before) == len(turns)  # the owner had begun to speak, in words that are not tested
                for turn in turns[:-1]:
                    if turn["role"] == "assistant":
                        turn["read"] = len(turn["content"])
                if going_on:
                    turns[-1]["read"] = len(before[-1]["content"])
                yield _part(Fate.TEST, turns)
        start = stop


def _context(messages: Sequence[Message], start: int) -> int:
    """Where the context of the message at `start` begins: with somebody else, not too far back."""
    length, begin, at = 0, start, start
    while at > 0 and length <= CONTEXT:
        at -= 1
        length += len(messages[at].content)
        if messages[at].role != "assistant" and (length <= CONTEXT or begin == start):
            begin = at
    return begin


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """What is said without another role's word between, together; in groups each with their name before it."""
    turns = []
    for role, said in groupby(messages, key=lambda message: message.role):
        lines = []
        for speaker, theirs in groupby(said, key=lambda message: message.speaker if role == "user" else ""):
            words = "\n".join(message.content for message in theirs)
            lines.append(f"{speaker}: {words}" if speaker else words)
        turns.append({"role": role, "content": "\n".join(lines)})
    return turns


def _part(its: Fate, turns: list[dict[str, Any]]) -> Part:
    return Part(its, "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns), tuple(turns))
