"""Telegram's and Discord's exports: who wrote what, and whose account it is."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any

import pytest

from node.data.chats.exports import Export, Format, recognise
from node.data.chats.said import Said
from node.data.document import Counts


def said(format: Format, content: object, counts: Counts | None = None, channel: bytes = b"") -> list[Said]:
    data = content.encode() if isinstance(content, str) else json.dumps(content, ensure_ascii=False).encode()
    return list(Export("x", format, io.BytesIO(data), channel).said(Counter() if counts is None else counts))


def message(text: object, who: str = "Ana", **more: Any) -> dict[str, Any]:
    return {"id": 1, "type": "message", "date": "2023-12-31T23:59:58", "date_unixtime": "1704067198", "from": who,
            "from_id": f"user{who}", "text": text, **more}  # fmt: skip


def chat(*messages: dict[str, Any], type: str = "personal_chat", name: str = "Ana") -> dict[str, Any]:
    return {"name": name, "type": type, "id": 7, "messages": list(messages)}


def test_a_telegram_chat() -> None:
    counts: Counts = Counter()
    entities = ["look ", {"type": "link", "text": "https://example.org"}, " ", {"type": "mention", "text": "@bo_b"}, {}]
    found = said(
        Format.TELEGRAM,
        chat(
            message("hi"), message(entities, "Bo"), message("mine", ""), message("", photo="p.jpg"),
            message("news", forwarded_from="Paper"), message("bot says", via_bot="@gif"),
            {"id": 2, "type": "service", "actor": "Ana", "action": "phone_call"},
            message("answer", reply_to_message_id=1),
        ),
        counts,
    )  # fmt: skip
    assert [(one.speaker, one.text) for one in found] == [
        ("Ana", "hi"), ("Bo", "look https://example.org @\u2068bo_b\u2069"), ("Deleted account user", "mine"),
        ("Ana", "answer"),
    ]  # fmt: skip
    assert {one.at for one in found} == {1704067198.0}
    assert counts == {
        "message without words": 1, "forwarded message": 1, "message of a channel or bot": 1, "service message": 1,
    }  # fmt: skip


def test_a_whole_telegram_account_says_whose_it_is() -> None:
    chats = [
        chat(message("hi"), message("yes", "Paul")),
        chat(message("news"), type="public_channel", name="Paper"),
        chat(message("note", "Paul"), type="saved_messages", name=""),
    ]
    account = {"about": "Here", "personal_information": {"user_id": "Paul"}, "chats": {"list": chats}}
    found = said(Format.TELEGRAM, account)
    assert [(one.chat, one.text, one.mine) for one in found] == [
        ("Ana 7", "hi", False), ("Ana 7", "yes", True), ("7", "note", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "odd", [{"text": 5}, {"from": None}, {"date_unixtime": "x"}, {"text": [1, None]}, {"text": None}]
)
def test_odd_telegram_messages_do_not_stop_it(odd: dict[str, Any]) -> None:
    assert said(Format.TELEGRAM, chat({**message("a"), **odd}, message("b")))[-1].text == "b"


def test_a_discord_channel() -> None:
    ana, bot = {"id": "1", "name": "ana", "nickname": "Ana M"}, {"id": "2", "name": "bot", "isBot": True}
    when = "2023-12-31T23:59:58.123+01:00"
    messages = [
        {
            "type": "Default",
            "timestamp": when,
            "content": "hi @Bo B!",
            "author": ana,
            "mentions": [{"nickname": "Bo B"}],
        },
        {"type": "Reply", "timestamp": "?", "content": "yes", "author": {"id": "3", "name": "bo"}},
        {"type": "Default", "timestamp": when, "content": "", "author": ana},
        {"type": "Default", "timestamp": when, "content": "beep", "author": bot},
        {"type": "GuildMemberJoin", "timestamp": when, "content": "Joined.", "author": ana},
        {"type": "Default", "content": "nobody"},
    ]
    counts: Counts = Counter()
    found = said(Format.DISCORD, {"guild": {}, "channel": {"name": "general"}, "messages": messages}, counts)
    assert [(one.chat, one.speaker, one.text, one.at) for one in found] == [
        ("general", "Ana M", "hi @\u2068Bo B\u2069!", 1704063598.123), ("general", "bo", "yes", None),
    ]  # fmt: skip
    assert counts == {"service message": 2, "message of a channel or bot": 1, "message without words": 1}


def test_a_discord_data_package_holds_the_owners_words() -> None:
    rows = [
        {"ID": 2, "Timestamp": "2023-12-31 23:59:58", "Contents": "hi <@!123> <a:wave:456>", "Attachments": ""},
        {"ID": 1, "Timestamp": "2023-12-31 23:59:00", "Contents": "", "Attachments": "https://x"},
    ]
    about = json.dumps({"id": "9", "type": "GUILD_TEXT", "name": "general"}).encode()
    table = "ID,Timestamp,Contents,Attachments\r\n" + '2,2023-12-31 23:59:58,"hi <@!123> <a:wave:456>",\r\n1,x,,y\r\n'
    for format, content in ((Format.DISCORD_PACKAGE, rows), (Format.DISCORD_PACKAGE_CSV, table)):
        (one,) = said(format, content, channel=about)
        assert (one.chat, one.text, one.at, one.mine) == ("general", "hi @\u2068123\u2069 :wave:", 1704067198.0, True)
    assert said(Format.DISCORD_PACKAGE, rows, channel=b"[]")[0].chat == ""


TELEGRAM = '{\n "name": "Ana",\n "type": "personal_chat",\n "id": 7,\n "messages": [\n'
ACCOUNT = '{\n "about": "Here is the data you requested.",\n "personal_information": {\n  "user_id": 1'
EXPORTER = '{\n  "guild": {\n    "id": "0"\n  },\n  "channel": {\n    "id": "1"'
PACKAGE = '[{"ID": 1, "Timestamp": "2023-12-31 23:59:58", "Contents": "hi", "Attachments": ""}'


@pytest.mark.parametrize(
    ("name", "head", "format"),
    [
        ("chats/WhatsApp Chat with Ana.txt", "12/31/23, 11:59 PM - Ana: hi\n", Format.WHATSAPP),
        ("Chat.zip!_chat.txt", "\ufeff\u200e[31.12.23, 23:59:58] Ana: hi\n", Format.WHATSAPP),
        ("result.json", TELEGRAM, Format.TELEGRAM),
        ("result.json", ACCOUNT, Format.TELEGRAM),
        ("general.json", EXPORTER, Format.DISCORD),
        ("c1/messages.json", PACKAGE, Format.DISCORD_PACKAGE),
        ("c1/messages.csv", "ID,Timestamp,Contents,Attachments\n", Format.DISCORD_PACKAGE_CSV),
        ("a.json", '{"name": "a", "type": "module", "id": 3}', None),
        ("a.json", '[{"ID": 1}]', None),
        ("a.json", "", None),
        ("a.csv", "ID,Name\n", None),
        ("a.txt", "hello\n", None),
        ("a.md", "12/31/23, 11:59 PM - Ana: hi\n", None),
    ],
)
def test_an_export_is_recognised_by_its_beginning(name: str, head: str, format: Format | None) -> None:
    assert recognise(name, head) is format
    assert recognise(name, head.encode()) is format
