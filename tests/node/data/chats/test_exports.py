"""From an export to conversations: who is who, what is left out, where they are cut."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from node.data.chats.exports import (
    LONGEST,
    SILENCE,
    Export,
    Format,
    Rules,
    Wishes,
    documents,
    recognised,
    sessions,
    speakers,
)  # fmt: skip
from node.data.chats.people import Pseudonyms
from node.data.document import Counts, Document, Message, Unreadable
from node.data.heldout import is_held_out

KEY = b"k" * 32
CHAT = """\
31.12.23, 20:00 - Messages and calls are end-to-end encrypted.
31.12.23, 20:00 - Ana Müller: Paul, are you and Bo coming?
31.12.23, 20:01 - Paul: yes Ana
31.12.23, 20:02 - Bo: <Media omitted>
31.12.23, 20:03 - Bo: me too, says ana
01.01.24, 12:00 - Paul Home: good morning
"""


def export(text: str = CHAT) -> Export:
    return Export("chat.txt", Format.WHATSAPP, io.BytesIO(text.encode()))


def read(found: Export, counts: Counts | None = None, **wishes: Any) -> list[Document | Unreadable]:
    rules = Rules(Wishes(**wishes), Pseudonyms(b"p" * 32, wishes.get("keep_names", ())), KEY)
    return list(documents(found, rules, Counter() if counts is None else counts))


def talks(found: list[Document | Unreadable]) -> list[list[tuple[str, str, str]]]:
    documents = [one for one in found if isinstance(one, Document)]
    return [[(one.role, one.speaker, one.content) for one in document.messages] for document in documents]


def test_the_owner_is_the_assistant_under_every_spelling_and_others_have_pseudonyms() -> None:
    called = Pseudonyms(b"p" * 32).of(["Ana Müller", "Bo"])
    ana, bo = called["Ana Müller"], called["Bo"]
    counts: Counts = Counter()
    found = read(export(), counts, me=("paul", "PAUL home"))
    assert talks(found) == [
        [("user", ana, f"Paul, are you and {bo} coming?"), ("assistant", "", f"yes {ana}"),
         ("user", bo, f"me too, says {ana}")],
        [("assistant", "", "good morning")],
    ]  # fmt: skip
    assert [one.name for one in found] == ["chat.txt!1", "chat.txt!2"]
    assert counts == {"service message": 1, "message without words": 1}


def test_between_two_people_nobody_needs_a_name() -> None:
    (talk,) = talks(read(export("31.12.23, 20:00 - Ana: hi\n31.12.23, 20:00 - Bo: ho\n"), me=("Bo",)))
    assert talk == [("user", "", "hi"), ("assistant", "", "ho")]


def test_people_are_left_out_or_named_as_the_owner_says() -> None:
    counts: Counts = Counter()
    found = talks(read(export(), counts, me=("Paul",), leave_out=("ana müller",), keep_names=("bo",)))
    ana, home = (Pseudonyms(b"p" * 32).of([name])[name] for name in ("Ana Müller", "Paul Home"))
    assert found == [
        [("assistant", "", f"yes {ana}"), ("user", "Bo", f"me too, says {ana}")], [("user", home, "good morning")],
    ]  # fmt: skip
    assert counts["message of a person left out"] == 1


def test_only_my_messages() -> None:
    found = talks(read(export(), me=("Paul", "Paul Home"), only_me=True))
    assert [[role for role, _, _ in talk] for talk in found] == [["assistant"], ["assistant"]]


def test_a_chat_without_me_is_left_out_and_says_what_to_do() -> None:
    (found,) = read(export(), me=("Zoe",))
    assert isinstance(found, Unreadable)
    assert "--me" in found.reason
    present = speakers(export().said(Counter()))
    assert [(one.name, one.messages) for one in present] == [
        ("Ana Müller", 1),
        ("Paul", 1),
        ("Bo", 1),
        ("Paul Home", 1),
    ]


def test_held_out_is_decided_by_the_words_in_the_file() -> None:
    lines = [f"31.12.23, 20:{n:02} - {'Ana' if n % 2 else 'Bo'}: Ana, this is message {n} of many" for n in range(60)]
    found = [one for one in read(export("\n".join(lines)), me=("Bo",)) if isinstance(one, Document)]
    raw = [line.partition(": ")[2] for line in lines]
    assert [one.held for document in found for one in document.messages] == [is_held_out(KEY, text) for text in raw]
    assert not any("Ana" in one.content for document in found for one in document.messages)


def test_in_an_account_only_the_chats_with_me_are_used() -> None:
    def message(who: str) -> dict[str, Any]:
        return {
            "type": "message",
            "date_unixtime": "1704067198",
            "from": who,
            "from_id": f"user{who}",
            "text": f"I am {who}",
        }

    account = {
        "personal_information": {"user_id": "Paul"},
        "chats": {
            "list": [
                {"name": "a", "type": "personal_chat", "id": 1, "messages": [message("Ana"), message("Paul")]},
                {"name": "b", "type": "private_group", "id": 2, "messages": [message("Ana"), message("Bo")]},
            ]
        },
    }
    counts: Counts = Counter()
    found = read(Export("result.json", Format.TELEGRAM, io.BytesIO(json.dumps(account).encode())), counts)
    assert [[role for role, _, _ in talk] for talk in talks(found)] == [["user", "assistant"]]
    assert counts["message of a chat without you"] == 2


def test_a_damaged_export_keeps_what_was_read_before() -> None:
    whole = {
        "name": "a",
        "type": "personal_chat",
        "id": 1,
        "messages": [{"type": "message", "from": "Ana", "text": "hi"}],
    }
    (found,) = read(Export("r.json", Format.TELEGRAM, io.BytesIO(json.dumps(whole)[:-3].encode())), me=("Ana",))
    assert isinstance(found, Unreadable)
    assert "damaged" in found.reason


@pytest.mark.parametrize("gap", [SILENCE, SILENCE + 1])
def test_a_long_silence_ends_a_conversation(gap: int) -> None:
    said = [Message("user", "a", at=100.0), Message("user", "b", at=100.0 + gap), Message("user", "c")]
    assert len(list(sessions(said))) == (1 if gap == SILENCE else 2)


def test_a_conversation_does_not_get_too_long() -> None:
    said = [Message("user", "x" * 1000) for _ in range(30)]
    found = list(sessions(said))
    assert [one for talk in found for one in talk] == said
    assert max(sum(len(one.content) for one in talk) for talk in found) <= LONGEST


def zip_of(**members: bytes) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as zipped:
        for name, data in members.items():
            zipped.writestr(name.replace("_dot_", ".").replace("_in_", "/"), data)
    return file.getvalue()


def test_a_whatsapp_zip_is_read_beside_its_pictures() -> None:
    file = io.BytesIO(zip_of(_chat_dot_txt=CHAT.encode(), photo_dot_jpg=b"x" * 5000))
    assert recognised("Chat with Ana.ZIP", file) is Format.WHATSAPP_ZIP
    found = talks(read(Export("c.zip", Format.WHATSAPP_ZIP, file), me=("Paul", "Paul Home")))
    assert found == talks(read(export(), me=("Paul", "Paul Home")))
    assert recognised("chat.txt", io.BytesIO(CHAT.encode())) is Format.WHATSAPP
    assert recognised("chat.pdf", io.BytesIO(CHAT.encode())) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"PK\3\4 nonsense", zip_of(a_dot_txt=b"hello"), zip_of(photo_dot_jpg=b"x"),
        zip_of(a_in_chat_dot_txt=CHAT.encode()), zip_of(a_dot_txt=CHAT.encode(), b_dot_txt=CHAT.encode()),
        zip_of(bomb_dot_txt=CHAT.encode() + b" " * 10_000_000),
    ],
)  # fmt: skip
def test_other_zips_are_no_chats(data: bytes) -> None:
    assert recognised("a.zip", io.BytesIO(data)) is None


def test_a_zip_that_is_damaged_in_the_middle_is_called_so() -> None:
    noise = "".join(f"31.12.23, 20:00 - Ana: {hashlib.sha256(bytes([n])).hexdigest()}\n" for n in range(200))
    data = bytearray(zip_of(_chat_dot_txt=noise.encode()))
    data[len(data) // 2] ^= 255
    (found,) = read(Export("c.zip", Format.WHATSAPP_ZIP, io.BytesIO(bytes(data))), me=("Ana",))
    assert isinstance(found, Unreadable)
    assert "damaged zip" in found.reason
