"""JSON and JSON lines: conversations, or the text in the field that the owner names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from node.data.document import Counts, Document, Message, Unreadable
from node.data.reading.encodings import Encoding
from node.data.reading.limits import Refused
from node.data.reading.records import LINE, MAX_RECORD, records
from node.data.reading.streams import Stream
from node.data.reading.texts import NOTHING, PIECE, decoded, decoded_blocks, pieces

BROKEN = "not JSON, or not all of it"
NOT_JSON = "with a line that is not JSON"
NO_CONVERSATION = 'a conversation in which nobody replies ({"messages": [{"role": "user", "content": ...}, ...]})'
TOO_LONG = f"a record of more than {MAX_RECORD >> 20} MB"
ROLES = ("system", "user", "assistant")
_DEFAULT_FIELD = "text"
_SPACE = re.compile(r"\s*")


def lines(
    name: str, stream: Stream, encoding: Encoding, field: str, counts: Counts, start: int = 0, stop: int | None = None
) -> Iterator[Document | Unreadable]:
    """What the lines say; each is called by where it begins in the file (bytes)."""
    found = False
    for record in records(stream, LINE, start, stop):
        if not record.data.strip():
            continue
        found = True
        label = f"{name}!{record.offset}"
        if not record.whole:
            yield Unreadable(label, TOO_LONG)
            continue
        try:
            value = json.loads(decoded(record.data, encoding, counts, first=record.offset == 0))
        except Refused as refused:
            yield Unreadable(label, refused.reason)
        except (ValueError, RecursionError):
            yield Unreadable(label, NOT_JSON)
        else:
            yield from said(label, value, field)
    if not found and start == 0:
        yield Unreadable(name, NOTHING)


def whole(name: str, stream: Stream, encoding: Encoding, field: str, counts: Counts) -> Iterator[Document | Unreadable]:
    """What a JSON file says: each element of its list, numbered from 1; or its only value."""
    number = 0
    label = name
    for value in _values(decoded_blocks(stream, encoding, counts)):
        if number or isinstance(value, _Element):
            label = f"{name}!{number + 1}"
        number += 1
        yield from said(label, value.value if isinstance(value, _Element) else value, field)
    if not number:
        yield Unreadable(name, NOTHING)


@dataclass(frozen=True, slots=True)
class _Element:
    """A value that stands in a list."""

    value: Any


def _values(texts: Iterator[str]) -> Iterator[Any]:
    """The values of a JSON text, one after the other, in constant memory. Raises Refused where it is no JSON."""
    decoder = json.JSONDecoder()
    held, at, in_list = "", 0, False
    enough = 0  # characters to have before the next try
    more = True
    while True:
        space = _SPACE.match(held, at)
        at = space.end() if space else at
        if at < len(held) and held[at] in ("]," if in_list else "["):
            in_list = held[at] != "]"
            at += 1
            continue
        if at < len(held) and (len(held) - at >= enough or not more):
            try:
                value, end = decoder.raw_decode(held, at)
            except (ValueError, RecursionError):
                end = -1
            if end >= 0 and (end < len(held) or not more):
                yield _Element(value) if in_list else value
                at, enough = end, 0
                continue
            if len(held) - at > MAX_RECORD:
                raise Refused(TOO_LONG)
            if not more:
                raise Refused(BROKEN)
            enough = 2 * (len(held) - at)
        if not more:
            return
        text = next(texts, None)
        more = text is not None
        held, at = held[at:] + (text or ""), 0


def said(label: str, value: Any, field: str = "") -> Iterator[Document | Unreadable]:
    """The documents in one record: a conversation, or the text in its field ("a.b" is the field b in a)."""
    if not field and isinstance(value, dict) and "messages" in value:
        talk = _conversation(value["messages"])
        yield Document(label, messages=talk, kind="chat") if talk else Unreadable(label, NO_CONVERSATION)
        return
    texts = (
        [value] if isinstance(value, str) and not field else list(_texts(value, (field or _DEFAULT_FIELD).split(".")))
    )
    found: Iterable[str]
    if isinstance(value, str) and not field:
        found = [value]
    elif isinstance(value, dict) and isinstance(plain := value.get(field or _DEFAULT_FIELD), str):
        found = [plain]
    else:
        found = _texts(value, (field or _DEFAULT_FIELD).split("."))
    texts = [text for text in found if text.strip()]
    if not texts:
        yield Unreadable(label, f'without text in the field "{field or _DEFAULT_FIELD}" (name the right one)')
    for number, text in enumerate(texts, 1):
        part = label if len(texts) == 1 else f"{label}.{number}"
        if len(text) <= PIECE:
            yield Document(part, text)
        else:
            yield from pieces(part, [text])


def _texts(value: Any, path: list[str]) -> Iterator[str]:
    """What lies at the end of the path: lists on the way are gone through, a list of texts at its end is one text."""
    match value, path:
        case str(), []:
            yield value
        case list(), [] if value and all(isinstance(one, str) for one in value):
            yield "\n\n".join(value)
        case list(), [_, *_]:
            for one in value:
                yield from _texts(one, path)
        case dict(), [first, *rest] if first in value:
            yield from _texts(value[first], rest)
        case dict(), [_, *_] if (whole := ".".join(path)) in value:
            yield from _texts(value[whole], [])


def _conversation(raw: Any) -> tuple[Message, ...]:
    """Who said what; empty when it is not a conversation that an assistant replied in."""
    if not isinstance(raw, list):
        return ()
    talk = []
    for one in raw:
        if not (isinstance(one, dict) and one.get("role") in ROLES and isinstance(one.get("content"), str)):
            return ()
        talk.append(Message(one["role"], one["content"]))
    replied = any(message.role == "assistant" and message.content.strip() for message in talk)
    return tuple(talk) if replied and talk[0].role != "assistant" else ()
