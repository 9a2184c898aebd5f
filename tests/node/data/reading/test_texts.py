"""Plain text: encodings, large files, and parts that are read apart."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from node.data.document import Document, Unreadable
from node.data.reading import texts
from node.data.reading.read import Entry, Options, Part, documents, inventory, split
from node.data.reading.texts import text_paragraphs
from tests.node.data.reading.conftest import Read


def test_text_is_cut_at_blank_lines_and_keeps_its_indentation() -> None:
    text = "\n\ndef f():\n    return 1\n \t\n    # still\n\n\n\nend  \n"
    assert list(text_paragraphs(text)) == ["def f():\n    return 1", "    # still", "end"]


def test_a_file_from_windows_reads_like_any_other(tmp_path: Path, read: Read) -> None:
    (tmp_path / "A.TXT").write_bytes("\ufeffone\r\n\r\n\r\ntwo\r\nlines".encode())
    assert read() == [Document("A.TXT", "one\n\ntwo\nlines")]


def test_the_lines_of_code_stay_as_they_are(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.py").write_text("import os\n\n\ndef f():\n    return os\n")
    assert read() == [Document("a.py", "import os\n\n\ndef f():\n    return os\n", kind="code")]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.md", b"a\0b", texts.NOT_TEXT),
        ("a.txt", b"\x89PNG\r\n\x1a\n", texts.NOT_TEXT),
        ("a.txt", bytes(range(256)) * 9, texts.NOT_TEXT),
        ("a.txt", b" \n\n ", texts.NOTHING),
        ("a.txt", b"", texts.NOTHING),
        ("a.txt", "wörter und ünd ".encode() * 50 + b"\xff" * 60, texts.GARBLED),
        ("a.jpg", b"\xff\xd8\xff", ".jpg: not a kind of file that is read"),
    ],
)
def test_what_cannot_be_read_has_a_reason(tmp_path: Path, read: Read, name: str, data: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert read() == [Unreadable(name, reason)]


SAID = {
    "cp1252": "Über den Wolken ist die Freiheit für jeden größer, so schön wäre das; déjà vu, garçon, señor.",
    "cp1250": "Zażółć gęślą jaźń. Pchnąć w tę łódź jeża lub ośm skrzyń fig. Świeży śnieg padał całą noc.",
    "cp1251": "Съешь же ещё этих мягких французских булок, да выпей чаю. Широкая электрификация губерний.",
    "koi8_r": "Съешь же ещё этих мягких французских булок, да выпей чаю. Широкая электрификация губерний.",
    "cp1253": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Η γρήγορη αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.",
    "cp932": "いろはにほへとちりぬるを。わかよたれそつねならむ。今日は天気がいいので散歩しましょう。",
    "euc_jp": "いろはにほへとちりぬるを。わかよたれそつねならむ。今日は天気がいいので散歩しましょう。",
    "gb18030": "我们今天去公园散步，天气非常好。孩子们在草地上玩耍，大家都很高兴。学而时习之不亦说乎。",
    "big5": "我們今天去公園散步，天氣非常好。孩子們在草地上玩耍，大家都很高興。學而時習之不亦說乎。",
    "cp949": "다람쥐 헌 쳇바퀴에 타고파. 오늘은 날씨가 좋아서 공원에서 산책을 했습니다. 안녕하세요.",
    "iso2022_jp": "いろはにほへとちりぬるを。わかよたれそつねならむ。今日は天気がいいので散歩しましょう。",
    "utf-16": "Über den Wolken 我们今天去公园",
    "utf-16-le": "Over the clouds, freedom must be without limits. Über den Wolken.",
    "utf-16-be": "Over the clouds, freedom must be without limits. Über den Wolken.",
    "utf-32": "Über den Wolken 我们今天去公园 \U0001f600",
}


@pytest.mark.parametrize("encoding", SAID)
def test_encodings_are_found_out(tmp_path: Path, read: Read, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes((SAID[encoding] * 3).encode(encoding))
    assert read() == [Document("a.txt", SAID[encoding] * 3)]


def test_the_owner_may_name_the_encoding(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.txt").write_bytes("łódź".encode("iso8859_2"))
    (tmp_path / "b.txt").write_bytes("łódź".encode())
    assert read(Options(encoding="iso8859_2")) == [Document("a.txt", "łódź"), Document("b.txt", "łódź")]


def test_a_file_may_change_its_encoding_from_line_to_line(tmp_path: Path, read: Read) -> None:
    (tmp_path / "old-first.txt").write_bytes("größer\n".encode("cp1252") * 20 + "größer".encode())
    (tmp_path / "new-first.txt").write_bytes("größer\n".encode() * 20 + "größer".encode("cp1252"))
    wanted = "größer\n" * 20 + "größer"
    assert read() == [Document("new-first.txt", wanted), Document("old-first.txt", wanted)]


def test_what_cannot_be_decoded_is_replaced_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("größer und schöner ".encode() * 20 + b"\xff")
    (entry,) = inventory(tmp_path)
    assert isinstance(entry, Entry)
    counts: Counter[str] = Counter()
    assert list(documents(tmp_path, Part(entry), counts=counts)) == [
        Document("a.txt", "größer und schöner " * 20 + "\ufffd")
    ]
    assert counts == {"characters replaced": 1}


def test_a_long_text_is_cut_at_paragraphs_and_loses_nothing(tmp_path: Path, read: Read) -> None:
    paragraphs = [f"Paragraph {number}\n" + "with some words in it " * 9 for number in range(12_000)]
    (tmp_path / "a.txt").write_text("\n\n".join(paragraphs))
    found = [one for one in read() if isinstance(one, Document)]
    assert [one.name for one in found] == ["a.txt!1", "a.txt!2", "a.txt!3"]
    assert [line for one in found for line in one.text.split("\n\n")] == [text.rstrip() for text in paragraphs]
    assert max(len(one.text) for one in found) <= texts.PIECE


@pytest.mark.parametrize("word", ["word ", "字", "x"])
def test_a_single_line_is_cut_between_words_or_at_least_characters(tmp_path: Path, read: Read, word: str) -> None:
    times = 2_200_000 // len(word.encode())
    (tmp_path / "a.txt").write_text(word * times)
    found = [one.text for one in read() if isinstance(one, Document)]
    assert len(found) == 3
    assert all(len(text.encode()) <= texts.PIECE for text in found)
    assert (" ".join(found) if word == "word " else "".join(found)).strip() == (word * times).strip()


@pytest.mark.parametrize(("seed", "suffix"), [(0, "txt"), (1, "py")])
def test_parts_read_apart_are_the_whole(tmp_path: Path, seed: int, suffix: str) -> None:
    chance = random.Random(seed)
    lines = ["wört " * 40, "\n", "\n\n", " \r\n\r\n", "字" * 300, "\udce9"]
    text = "".join(chance.choice(lines) for _ in range(60_000 if seed else 15_000))
    (tmp_path / f"a.{suffix}").write_bytes(
        text.encode("utf-8", "surrogateescape")[: chance.choice([2_000_000, 3 << 20])]
    )
    (entry,) = inventory(tmp_path)
    assert isinstance(entry, Entry)
    whole = list(documents(tmp_path, Part(entry)))
    for size in (1, 2 << 20):
        parts = list(split(tmp_path, entry, size=size))
        assert len(parts) >= 1 + (size == 1)
        assert [item for part in parts for item in documents(tmp_path, part)] == whole
    for start in (1, len(whole)):
        assert list(documents(tmp_path, Part(entry), start=start)) == whole[start:]
