"""The way in: which program wrote a file, who speaks in it, and its conversations.

A conversation is what was said with no silence of more than six hours, cut where it gets long. Who "me" is the owner
says, in every spelling that exports have; whole Telegram accounts and Discord's data packages say it themselves. An
export in which nobody is "me" is left out: a model would learn to speak as people who were never asked.

A file is read twice (for its names, then for its words), so it must be one that can be read again from its beginning.
Memory holds a conversation and the names, whatever the size of the file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import BinaryIO

from node.data.chats import discord, telegram, whatsapp, zipped
from node.data.chats.people import Disguise, Pseudonyms, same_name
from node.data.chats.said import BrokenExport, Said
from node.data.document import Counts, Document, Message, Unreadable
from node.data.heldout import is_held_out

ENDINGS = (".txt", ".zip", ".json", ".csv")  # of files that may be exports
SILENCE = 6 * 3600  # seconds, after which a conversation is another one
LONGEST = 8000  # characters, about 2,000 tokens
CHANNEL = "channel.json"  # beside the messages of a Discord data package: the name of the chat


class Format(StrEnum):
    """Whose export."""

    WHATSAPP = "WhatsApp"
    WHATSAPP_ZIP = "WhatsApp (zip)"
    TELEGRAM = "Telegram"
    DISCORD = "DiscordChatExporter"
    DISCORD_PACKAGE = "Discord data package"
    DISCORD_PACKAGE_CSV = "Discord data package (csv)"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the owner says about chats."""

    me: tuple[str, ...] = ()  # every spelling of the owner's own name
    leave_out: tuple[str, ...] = ()  # people none of whose messages are used
    only_me: bool = False  # the owner's messages alone, as prose
    keep_names: tuple[str, ...] = ()  # people who agreed to be named


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody in a chat."""

    chat: str
    name: str
    mine: bool  # the export itself says so
    messages: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What is the same for all chats of an owner."""

    wishes: Wishes
    pseudonyms: Pseudonyms
    group_key: bytes


@dataclass(frozen=True, slots=True)
class Export:
    """One file of one program."""

    name: str
    format: Format
    file: BinaryIO  # can be read from its beginning again
    channel: bytes = b""  # what the file CHANNEL beside it holds, where there is one

    def said(self, counts: Counts) -> Iterator[Said]:
        """Every message that a person wrote; the rest is counted. Raises BrokenExport amid a damaged file."""
        self.file.seek(0)
        match self.format:
            case Format.WHATSAPP:
                return whatsapp.parse(self.file, counts)
            case Format.WHATSAPP_ZIP:
                return _zipped(self.file, counts)
            case Format.TELEGRAM:
                return telegram.parse(self.file, counts)
            case Format.DISCORD:
                return discord.exporter(self.file, counts)
            case Format.DISCORD_PACKAGE:
                return discord.package_json(self.file, counts, self.channel)
            case Format.DISCORD_PACKAGE_CSV:
                return discord.package_csv(self.file, counts, self.channel)


def recognise(name: str, head: bytes | str) -> Format | None:
    """Whose export this is, by the first few kilobytes of the file and its name's ending."""
    text = head.decode("utf-8-sig", errors="replace") if isinstance(head, bytes) else head
    ending = name.lower().rpartition(".")[2]
    if ending == "json":
        return next((format for format, beginning in _BEGINNINGS.items() if beginning.search(text)), None)
    if ending == "csv":
        return Format.DISCORD_PACKAGE_CSV if text.startswith("ID,Timestamp,Contents,Attachments") else None
    return Format.WHATSAPP if ending == "txt" and whatsapp.looks_like(text) else None


def recognised(name: str, file: BinaryIO) -> Format | None:
    """Whose export this file is, which may be WhatsApp's zip. It is read from its beginning again afterwards."""
    if name.lower().endswith(".zip"):
        return Format.WHATSAPP_ZIP if zipped.has_chat(file) else None
    return recognise(name, file.read(zipped.HEAD)) if name.lower().endswith(ENDINGS) else None


def _zipped(file: BinaryIO, counts: Counts) -> Iterator[Said]:
    with zipped.chat_of(file) as text:
        yield from whatsapp.parse(text, counts)


def speakers(said: Iterable[Said]) -> list[Speaker]:
    """Who speaks, in which chat, how often."""
    found = Counter((one.chat, one.speaker, one.mine) for one in said)
    return [Speaker(*who, times) for who, times in found.items()]


def documents(export: Export, rules: Rules, counts: Counts) -> Iterator[Document | Unreadable]:
    """The conversations of one export: messages with roles, pseudonyms, and whether their own words are held out."""
    number = 0
    try:
        present = speakers(export.said(Counter()))
        me = {same_name(name) for name in rules.wishes.me}
        if not any(one.mine or same_name(one.name) in me for one in present):
            yield Unreadable(export.name, "a chat in which nobody is you (say --me NAME, as the export spells it)")
            return
        for chat, said in groupby(export.said(counts), key=lambda one: one.chat):
            people = [one for one in present if one.chat == chat]
            for messages in sessions(_messages(said, people, rules, counts)):
                number += 1
                yield Document(f"{export.name}!{number}", messages=messages, kind="chat")
    except BrokenExport as broken:
        yield Unreadable(export.name, f"a damaged chat export ({broken}; export it again)")


def _messages(said: Iterable[Said], people: list[Speaker], rules: Rules, counts: Counts) -> Iterator[Message]:
    """What is used of one chat."""
    wishes = rules.wishes
    me = {same_name(name) for name in wishes.me}
    mine = {one.name for one in people if one.mine or same_name(one.name) in me}
    called = rules.pseudonyms.of(one.name for one in people if one.name not in mine)
    disguise = Disguise({**called, **{name: name for name in (*mine, *wishes.me)}})
    left_out = {same_name(name) for name in wishes.leave_out}
    for one in said:
        if not mine:
            counts["message of a chat without you"] += 1
        elif same_name(one.speaker) in left_out:
            counts["message of a person left out"] += 1
        elif one.speaker in mine:
            held = is_held_out(rules.group_key, one.text)
            yield Message("assistant", disguise(one.text).strip(), at=one.at, held=held)
        elif not wishes.only_me:
            held = is_held_out(rules.group_key, one.text)
            speaker = called[one.speaker] if len(called) > 1 else ""
            yield Message("user", disguise(one.text).strip(), speaker, one.at, held)


def sessions(messages: Iterable[Message]) -> Iterator[tuple[Message, ...]]:
    """Cut at long silences, and before a message with which a conversation would become too long."""
    here: list[Message] = []
    length = 0
    for one in messages:
        silent = bool(here) and one.at is not None and here[-1].at is not None and abs(one.at - here[-1].at) > SILENCE
        if here and (silent or length + len(one.content) > LONGEST):
            yield tuple(here)
            here, length = [], 0
        here.append(one)
        length += len(one.content)
    if here:
        yield tuple(here)


_KINDS = "|".join(sorted(telegram.CHATS | {"bot_chat", "private_channel", "public_channel"}))
_BEGINNINGS = {
    Format.TELEGRAM: re.compile(
        rf'^\s*{{\s*"(?:name|type|id|about|personal_information|chats)":(?s:.)*'
        rf'(?:"type":\s*"(?:{_KINDS})"|"personal_information"|"left_chats"|"chats":\s*{{)'
    ),
    Format.DISCORD: re.compile(r'^\s*{\s*"guild":\s*{(?s:.)*"channel":'),
    Format.DISCORD_PACKAGE: re.compile(
        r'^\s*\[\s*{(?s:.)*"(?:ID|Timestamp|Contents)":(?s:.)*"(?:ID|Timestamp|Contents)":'
    ),
}
