"""JSON lines: conversations, and texts in the field that the owner names."""

from __future__ import annotations

import json
import random
from pathlib import Path

from node.data.document import Document, Message, Unreadable
from node.data.reading import jsons
from node.data.reading.read import Entry, Options, Part, documents, inventory, split
from node.data.reading.records import MAX_RECORD
from node.data.reading.texts import NOTHING
from tests.node.data.reading.conftest import Read


def test_each_line_is_a_document_named_by_where_it_begins(tmp_path: Path, read: Read) -> None:
    talk = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    lines = ['{"text": "one"}', "", json.dumps(talk), "{", '{"title": "x"}', '"bare"', '{"messages": []}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    said = (Message("user", "Hi"), Message("assistant", "Hello"))
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    assert read() == [
        Document("a.jsonl!0", "one"),
        Document(f"a.jsonl!{starts[2]}", messages=said, kind="chat"),
        Unreadable(f"a.jsonl!{starts[3]}", jsons.NOT_JSON),
        Unreadable(f"a.jsonl!{starts[4]}", 'without text in the field "text" (name the right one)'),
        Document(f"a.jsonl!{starts[5]}", "bare"),
        Unreadable(f"a.jsonl!{starts[6]}", jsons.NO_CONVERSATION),
    ]


def test_the_owner_names_the_field(tmp_path: Path, read: Read) -> None:
    value = {"post": {"body": "text", "parts": [{"t": "first"}, {"t": "second"}], "lines": ["a", "b"]}, "x.y": "dotted"}
    (tmp_path / "a.jsonl").write_text(json.dumps(value))
    assert read(Options(field="post.body")) == [Document("a.jsonl!0", "text")]
    assert read(Options(field="post.parts.t")) == [Document("a.jsonl!0.1", "first"), Document("a.jsonl!0.2", "second")]
    assert read(Options(field="post.lines")) == [Document("a.jsonl!0", "a\n\nb")]
    assert read(Options(field="x.y")) == [Document("a.jsonl!0", "dotted")]


def test_lines_nested_without_end_and_lines_without_end_are_told(tmp_path: Path, read: Read) -> None:
    endless = '{"text": "' + "x" * MAX_RECORD + '"}'
    (tmp_path / "a.jsonl").write_text("[" * 100_000 + "\n" + endless + '\n{"text": "after"}\n')
    assert read() == [
        Unreadable("a.jsonl!0", jsons.NOT_JSON),
        Unreadable("a.jsonl!100001", jsons.TOO_LONG),
        Document(f"a.jsonl!{100_001 + len(endless) + 1}", "after"),
    ]


def test_parts_read_apart_are_the_whole(tmp_path: Path) -> None:
    chance = random.Random(5)
    lines = [json.dumps({"text": "wörter " * chance.choice([1, 30, 3000])}, ensure_ascii=False) for _ in range(400)]
    (tmp_path / "a.jsonl").write_bytes("\r\n".join(lines).encode() + b"\n" + b"x" * 2_500_000 + b"\n{}")
    (entry,) = inventory(tmp_path)
    assert isinstance(entry, Entry)
    whole = list(documents(tmp_path, Part(entry)))
    parts = list(split(tmp_path, entry))
    assert len(whole) == 402
    assert len(parts) > 5
    assert [item for part in parts for item in documents(tmp_path, part)] == whole
    assert list(documents(tmp_path, Part(entry), start=399)) == whole[399:]


def test_a_json_file_is_a_list_of_records_or_one(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"text": "one"}, {"text": "two"}, [], "three"], indent=2))
    (tmp_path / "b.json").write_bytes(json.dumps({"data": [{"t": "x"}, {"t": "y"}], "text": "größer"}).encode("utf-16"))
    (tmp_path / "c.json").write_text('{"text": "a"}\n{"text": "b"}')
    (tmp_path / "d.json").write_text('[{"text": "a"}, {"text": "b"')
    (tmp_path / "e.json").write_text("[]")
    without = 'without text in the field "text" (name the right one)'
    assert read() == [
        Document("a.json!1", "one"), Document("a.json!2", "two"), Unreadable("a.json!3", without),
        Document("a.json!4", "three"), Document("b.json", "größer"),
        Document("c.json", "a"), Document("c.json!2", "b"),
        Document("d.json!1", "a"), Unreadable("d.json", jsons.BROKEN), Unreadable("e.json", NOTHING),
    ]  # fmt: skip
    found = read(Options(field="data.t"))
    assert [Document("b.json.1", "x"), Document("b.json.2", "y")] == [one for one in found if isinstance(one, Document)]


def test_a_long_list_is_read_record_by_record(tmp_path: Path, read: Read) -> None:
    texts = [f"word {number} " * (200_000 if number == 50 else 2000) for number in range(100)]
    (tmp_path / "a.json").write_text(json.dumps([{"text": text} for text in texts]))
    found = read()
    assert all(isinstance(one, Document) for one in found)
    words = sum(len(one.text.split()) for one in found if isinstance(one, Document))
    assert words == sum(len(text.split()) for text in texts)
    assert [one.name for one in found if "!51" in one.name] == [f"a.json!51!{number}" for number in (1, 2)]


def test_json_nested_without_end_and_records_without_end_are_told(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.json").write_text('{"a": ' + "[" * 100_000)
    (tmp_path / "b.json").write_text('[{"text": "a"}, "' + "x" * (MAX_RECORD + (3 << 20)))
    (tmp_path / "c.json").write_text("[1,2")
    assert read()[:3] == [
        Unreadable("a.json", jsons.BROKEN), Document("b.json!1", "a"), Unreadable("b.json", jsons.TOO_LONG),
    ]  # fmt: skip
    assert read()[-1] == Unreadable("c.json!2", 'without text in the field "text" (name the right one)')
