"""A document's texts, whether it is one text or a conversation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from node.data.document import Document, Dropped

EMPTY = Dropped("nothing left after cleaning")


def rewritten(document: Document, change: Callable[[str], str]) -> Document | Dropped:
    """The document with every text changed, without messages left empty; the same object if nothing changed."""
    text = change(document.text) if document.text else ""
    messages = document.messages
    contents = [change(message.content) for message in messages]
    if any(new != message.content for new, message in zip(contents, messages, strict=True)):
        messages = tuple(
            replace(message, content=new) for new, message in zip(contents, messages, strict=True) if new.strip()
        )
    if text is document.text and messages is document.messages:
        return document
    if not messages and not text.strip():
        return EMPTY
    return replace(document, text=text, messages=messages)


def beginning_and_middle(document: Document, characters: int) -> str:
    """At most `characters` of the document: half from its beginning, half from its middle."""
    half = characters // 2
    if not document.messages:
        text = document.text
        if len(text) <= characters:
            return text
        middle = len(text) // 2
        return text[:half] + " " + text[middle : middle + half]
    middle = len(document.messages) // 2
    return _filled(document, 0, half) + " " + _filled(document, middle, half)


def _filled(document: Document, start: int, characters: int) -> str:
    """Messages from `start` on, joined, until there are enough `characters`."""
    taken: list[str] = []
    room = characters
    for message in document.messages[start:]:
        taken.append(message.content[:room])
        room -= len(taken[-1])
        if room <= 0:
            break
    return "\n".join(taken)
