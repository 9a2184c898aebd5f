"""Telegram Desktop's result.json: one chat, or a whole account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

from node.data.chats.said import Said, mention
from node.data.chats.stream import messages
from node.data.document import Counts

CHATS = frozenset(
    {"personal_chat", "saved_messages", "private_group", "private_supergroup", "public_group", "public_supergroup"}
)  # channels and bots are nobody talking with the owner


def parse(file: BinaryIO, counts: Counts) -> Iterator[Said]:
    """Whose account it is is known where the whole account was exported."""
    for around, message in messages(file):
        chat = around[-1] if around else {}
        if chat.get("type") not in CHATS:
            counts["message of a channel or bot"] += 1
        elif message.get("type") != "message":
            counts["service message"] += 1
        elif message.get("forwarded_from") or message.get("forwarded_from_id"):
            counts["forwarded message"] += 1  # somebody else's words
        elif message.get("via_bot"):
            counts["message of a channel or bot"] += 1
        elif text := _text(message.get("text")).strip():
            sender = str(message.get("from_id") or "")
            mine = bool(sender) and sender in _owner(around[0])
            speaker = message.get("from") or f"Deleted account {sender}"
            yield Said(
                f"{chat.get('name') or ''} {chat.get('id') or ''}".strip(), str(speaker), text, _at(message), mine
            )
        else:
            counts["message without words"] += 1


def _owner(account: dict[str, Any]) -> tuple[str, ...]:
    about = account.get("personal_information")
    return (f"user{about['user_id']}",) if isinstance(about, dict) and "user_id" in about else ()


def _text(text: object) -> str:
    """Plain, or a list of plain pieces and entities."""
    if isinstance(text, str):
        return text
    pieces = []
    for piece in text if isinstance(text, list) else []:
        if isinstance(piece, dict):
            words = str(piece.get("text") or "")
            pieces.append(mention(words) if piece.get("type") in ("mention", "mention_name") else words)
        else:
            pieces.append(str(piece))
    return "".join(pieces)


def _at(message: dict[str, Any]) -> float | None:
    try:
        if "date_unixtime" in message:
            return float(message["date_unixtime"])
        return datetime.fromisoformat(str(message["date"])).replace(tzinfo=UTC).timestamp()  # local time, no zone
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
