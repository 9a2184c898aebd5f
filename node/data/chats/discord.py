"""Discord: what DiscordChatExporter writes, and the data package that Discord itself sends (the owner's words only)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

from node.data.chats.said import BrokenExport, Said, mention
from node.data.chats.stream import messages
from node.data.document import Counts

OWNER = "the owner of the data package"
_TALK = ("Default", "Reply", "ThreadStarterMessage")


def exporter(file: BinaryIO, counts: Counts) -> Iterator[Said]:
    """DiscordChatExporter's JSON: one channel a file."""
    for around, message in messages(file):
        channel = around[-1].get("channel") if around else None
        author = message.get("author")
        if not isinstance(author, dict) or message.get("type", "Default") not in _TALK:
            counts["service message"] += 1
        elif author.get("isBot"):
            counts["message of a channel or bot"] += 1
        elif text := _marked(str(message.get("content") or ""), message.get("mentions")).strip():
            name = channel.get("name") if isinstance(channel, dict) else ""
            yield Said(str(name or ""), _name(author), text, _at(message.get("timestamp")))
        else:
            counts["message without words"] += 1


def package_json(file: BinaryIO, counts: Counts, channel: bytes = b"") -> Iterator[Said]:
    """messages.json of the data package; `channel` is channel.json beside it."""
    return _package((message for _, message in messages(file)), counts, _channel_name(channel))


def package_csv(file: BinaryIO, counts: Counts, channel: bytes = b"") -> Iterator[Said]:
    """messages.csv of older data packages."""
    lines = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    try:
        yield from _package(csv.DictReader(lines), counts, _channel_name(channel))
    except csv.Error:
        raise BrokenExport("not CSV") from None
    finally:
        lines.detach()


def _package(rows: Iterable[Mapping[str, Any]], counts: Counts, chat: str) -> Iterator[Said]:
    for row in rows:
        if text := _as_seen(str(row.get("Contents") or "")).strip():
            yield Said(chat, OWNER, text, _at(row.get("Timestamp")), mine=True)
        else:
            counts["message without words"] += 1


def _as_seen(text: str) -> str:
    """Without the numbers of emoji and people: the words that the exporter writes, too."""
    return re.sub(r"<@!?(\d+)>", lambda found: mention(found[1]), re.sub(r"<a?(:\w+:)\d+>", r"\1", text))


def _channel_name(channel: bytes) -> str:
    try:
        about = json.loads(channel)
        return str(about.get("name") or about.get("id") or "")
    except (ValueError, AttributeError, RecursionError):
        return ""


def _name(person: Mapping[str, Any]) -> str:
    return str(person.get("nickname") or person.get("name") or "Deleted User")


def _marked(text: str, mentioned: object) -> str:
    """The text with the names of those it mentions marked as such."""
    people = [one for one in mentioned if isinstance(one, dict)] if isinstance(mentioned, list) else []
    names = {str(one[key]) for one in people for key in ("nickname", "name") if one.get(key)}
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(f"@{name}", mention(name))
    return text


def _at(when: object) -> float | None:
    try:
        found = datetime.fromisoformat(str(when))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
