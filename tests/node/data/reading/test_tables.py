"""CSV, TSV and Parquet: rows with sentences in them."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from node.data.document import Document, Message, Unreadable
from node.data.reading import tables
from node.data.reading.read import Entry, Options, Part, documents, inventory, split
from node.data.reading.texts import GARBLED
from tests.node.data.reading.conftest import Read

LONG = [
    "It rained all day, so we stayed at home.",
    "The train was late again; we walked.",
    "今天天气很好，我们去公园散步。",
]


def texts(found: list[Document | Unreadable]) -> list[str]:
    return [one.text if isinstance(one, Document) else one.reason for one in found]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_columns_with_sentences_are_read(tmp_path: Path, read: Read, delimiter: str) -> None:
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["id", "day", "note", "who", "reply"])
        for number, note in enumerate(LONG):
            writer.writerow([number, "2024-05-03", note, "Ana", 'She said: "it is\nfine" to me, twice.'])
    assert texts(read()) == [f'{note}\n\nShe said: "it is\nfine" to me, twice.' for note in LONG]
    assert [one.name for one in read()] == ["a.csv!1.2", "a.csv!1.3", "a.csv!1.4"]
    assert isinstance(read()[0], Document)


def test_the_owner_names_the_column(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.tsv").write_text("id\tname\n7\tAna\n8\tBob\n")
    assert texts(read(Options(field="name"))) == ["Ana", "Bob"]
    assert texts(read(Options(field="1"))) == ["7", "8"]
    assert read() == [Unreadable("a.tsv", tables.NO_TEXT)]
    assert read(Options(field="age")) == [Unreadable("a.tsv", 'a table without the column "age"')]


def test_a_table_without_names_begins_with_its_first_row(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.csv").write_text("\n".join(f'{number},"{note}"' for number, note in enumerate(LONG)))
    assert texts(read()) == LONG


def test_parts_read_apart_are_the_whole(tmp_path: Path) -> None:
    chance = random.Random(3)
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "n"])
        for number in range(6000):
            writer.writerow(
                [chance.choice(['a "quoted" word\n\n' * 30, "wörter, und mehr\n" * 9, "x y\n" * 200]), number]
            )
    (entry,) = inventory(tmp_path)
    assert isinstance(entry, Entry)
    options = Options(field="text")
    whole = list(documents(tmp_path, Part(entry), options))
    parts = list(split(tmp_path, entry, options))
    assert len(whole) == 6000
    assert len(parts) >= 3
    assert [item for part in parts for item in documents(tmp_path, part, options)] == whole
    assert list(documents(tmp_path, Part(entry), options, start=5990)) == whole[5990:]


def test_quotes_that_never_close_lose_no_more_than_they_must(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n" + "it is 5 feet tall\n" * 9 + '"' + "it goes on and on\n" * 70_000)
    (entry,) = inventory(tmp_path)
    assert isinstance(entry, Entry)
    options = Options(field="text")
    whole = list(documents(tmp_path, Part(entry), options))
    assert sum(one.text.count("it goes on") for one in whole if isinstance(one, Document)) >= 69_000
    assert [one for part in split(tmp_path, entry, options) for one in documents(tmp_path, part, options)] == whole


def test_parquet_is_read_by_row_groups(tmp_path: Path, read: Read) -> None:
    notes = [f"{LONG[number % 3]} {number}" for number in range(300)]
    table = pa.table({"id": list(range(300)), "note": notes, "who": ["Ana"] * 300, "none": pa.nulls(300, pa.string())})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=70)
    assert texts(read()) == notes
    assert texts(read(Options(field="who"))) == ["Ana"] * 300
    assert read(Options(field="age")) == [Unreadable("a.parquet", 'a table without the column "age"')]
    (entry,) = inventory(tmp_path)
    assert isinstance(entry, Entry)
    parts = list(split(tmp_path, entry, size=1))
    assert [(part.start, part.stop) for part in parts] == [(0, 1), (1, 2), (2, 3), (3, 4), (4, None)]
    assert [item for part in parts for item in documents(tmp_path, part)] == read()


def test_conversations_in_parquet_stay_conversations(tmp_path: Path, read: Read) -> None:
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    parquet.write_table(pa.table({"messages": [talk]}), tmp_path / "a.parquet")
    said = (Message("user", "Hi"), Message("assistant", "Hello"))
    assert read() == [Document("a.parquet!1", messages=said, kind="chat")]


def test_damaged_parquet_is_told(tmp_path: Path, read: Read) -> None:
    parquet.write_table(
        pa.table({"note": LONG * 500}), tmp_path / "a.parquet", compression="none", use_dictionary=False
    )
    whole = bytearray((tmp_path / "a.parquet").read_bytes())
    (tmp_path / "cut.parquet").write_bytes(whole[:-20])
    whole[4:400] = b"\xff" * 396
    (tmp_path / "a.parquet").write_bytes(whole)
    assert all(isinstance(one, Unreadable) for one in read())
    assert [one.name for one in read()] == ["a.parquet", "cut.parquet"]


def test_parquet_with_bytes_that_are_no_text_goes_on_after_them(tmp_path: Path, read: Read) -> None:
    notes = pa.array([b"\xff\xfe bad"] + [one.encode() for one in LONG] * 40, pa.binary())
    broken = pa.Array.from_buffers(pa.string(), len(notes), notes.buffers())
    parquet.write_table(pa.table({"note": broken}), tmp_path / "a.parquet")
    found = read(Options(field="note"))
    assert found[0] == Unreadable("a.parquet!1", GARBLED)
    assert texts(found[1:]) == (LONG * 40)[63:]
