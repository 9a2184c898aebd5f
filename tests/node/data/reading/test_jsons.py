"""JSON lines: conversations, and texts in the field that the owner names."""

from __future__ import annotations

import json
import random
from pathlib import Path

from node.data.document import Document, Message, Unreadable
from node.data.reading import jsons
from node.data.reading.read import Entry, Options, Part, documents, inventory, split
from node.data.reading.records import MAX_RECORD
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
