"""Rich text: characters in any code page, and all that is not text."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from node.data.document import Document, Unreadable
from node.data.reading import archives, rtf
from node.data.reading.limits import Refused
from node.data.reading.streams import Stream
from tests.node.data.reading.conftest import Read


def text(rtf_file: str | bytes) -> str:
    data = rtf_file if isinstance(rtf_file, bytes) else rtf_file.encode("latin-1")
    (found,) = rtf.documents("a.rtf", Stream(io.BytesIO(data)))
    assert isinstance(found, Document)
    return found.text


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        (r"{\rtf1\ansi Dear Ana,\par how are you?\par}", "Dear Ana,\n\nhow are you?"),
        ("{\\rtf1 one\r\n two\\line three\\tab four\\par\r\n}", "one two\nthree\tfour"),
        (r"{\rtf1\ansi\ansicpg1252 gr\'fc\'dfe \{a\\b\} a\~b a\_b a\-b}", r"grüße {a\b} a b a-b ab"),
        (r"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
        (r"{\rtf1\ansi\ansicpg932 \'82\'b1\'82\'f1}", "こん"),
        (r"{\rtf1\mac \'8a}", "ä"),
        (r"{\rtf1\ansi\uc1 \u1055?\u1088?{\uc2 \u8364\'80\'80}\u-10179?\u-8704?x}", "Пр€\U0001f600x"),
        (r"{\rtf1{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}\f1 \'cf{\f0 \'e4}\'f0\plain \'e4}", "Пäрä"),
        (r"{\rtf1\ldblquote so\rdblquote  \emdash  x\'85}", "\u201cso\u201d \u2014 x…"),
        (r"{\rtf1 a{\*\unknown hidden {\b deeper}}b{\pict\wmetafile8 0102ff}c{\info{\title T}}d}", "abcd"),
        (r"{\rtf1 {\stylesheet{\s0 Normal;}}{\header Page 1}{\field{\*\fldinst HYPERLINK x}{\fldrslt here}}}", "here"),
        (r"{\rtf1 seen {\v hidden }{\deleted gone }\v not\v0 again}", "seen again"),
        (r"{\rtf1 One{\super 1}{\footnote\pard {\super\chftn} The note.} goes on.\par Two\par}",
         "One1 goes on.\n\nThe note.\n\nTwo"),
        (r"{\rtf1{\listtext\'b7\tab}milk\par{\pntext 2.\tab}bread\par End\par}", "- milk\n- bread\n\nEnd"),
        (r"{\rtf1\trowd\intbl Name\cell Age\cell\row\trowd\intbl Ana\par Maria\cell 7\cell\row\pard After\par}",
         "Name | Age\nAna Maria | 7\n\nAfter"),
        (r"{\rtf1 over} and out of it", "over"),
    ],
)  # fmt: skip
def test_the_words_are_read(file: str, wanted: str) -> None:
    assert text(file) == wanted


def test_binary_data_is_passed_over_whatever_it_looks_like() -> None:
    assert text(b"{\\rtf1 a{\\pict\\bin9 }}}\\'zz\0\xff}b\\par}") == "ab"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 50])
def test_it_does_not_matter_where_the_file_is_cut(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    file = (
        r"{\rtf1\ansi\ansicpg1251{\fonttbl{\f0\fcharset0 A;}}\'cf\'f0 \u8364?\b bold\b0  {\pict\bin3 }}}}x\par two\par}"
    )
    whole = text(file)
    monkeypatch.setattr(rtf, "STEP", step)
    assert text(file) == whole == "Пр €bold x\n\ntwo"


def test_what_is_none_or_nests_for_ever_is_refused(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.rtf").write_text("plain words")
    (tmp_path / "b.rtf").write_text(r"{\rtf1" + "{" * 5000)
    (tmp_path / "c.rtf").write_text(r"{\rtf1 cut off in the mid\'")
    (tmp_path / "d.doc").write_text(r"{\rtf1 by another name}")
    assert read() == [
        Unreadable("a.rtf", rtf.NO_RTF), Unreadable("b.rtf", archives.DAMAGED),
        Document("c.rtf", "cut off in the mid"), Document("d.doc", "by another name"),
    ]  # fmt: skip


@pytest.mark.parametrize("open_end", ["", r"\intbl ", r"{\footnote ", r"\cell\cell "])
def test_a_paragraph_without_an_end_is_handed_on_in_pieces(open_end: str) -> None:
    file = rb"{\rtf1 " + open_end.encode() + b"word " * 500_000 + b"}"
    found = [*rtf.documents("a.rtf", Stream(io.BytesIO(file)))]
    assert len(found) > 1
    words = "".join(one.text for one in found if isinstance(one, Document))
    assert "".join(words.split()) == "word" * 500_000


def test_too_many_of_anything_does_no_harm() -> None:
    for many in (rb"\'", rb"\u9999999999", rb"\bin-5 ", rb"\cell", rb"\row", rb"\par", b"}{", rb"\uc99999 ", rb"\f9 "):
        with contextlib.suppress(Refused):
            assert [*rtf.documents("a", Stream(io.BytesIO(rb"{\rtf1 " + many * 20_000)))]
