"""HTML as its visible text."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.data.document import Document, Unreadable
from node.data.reading import texts
from node.data.reading.webpages import html_paragraphs, paragraphs
from tests.node.data.reading.conftest import Read


def test_html_is_read_as_its_visible_blocks() -> None:
    page = """<!DOCTYPE html><html><head><title>No</title><style>p {}</style></head><body>
      <div>Outer <b>bold</b> &amp; words<p>First
      line</p>after<ul><li>one</li><li>two<br>lines</li></ul></div>
      <script>let x = "<p>no</p>"</script><pre>  keep
    this</pre>last"""
    assert list(html_paragraphs(page)) == [
        "Outer bold & words", "First line", "after", "one", "two lines", "  keep\n    this", "last",
    ]  # fmt: skip


def test_menus_and_footers_are_left_out() -> None:
    page = """<body><nav><ul><li>Home</ul></nav><main><h1>Title</h1><p>Text</p></main>
      <svg><text>no</text></svg><footer>(c) us</footer><style/><p>end</p>"""
    assert list(html_paragraphs(page)) == ["Title", "Text", "end"]


def test_a_menu_that_never_ends_does_not_swallow_the_text() -> None:
    assert list(html_paragraphs("<nav><a>Home</a><main><p>Text</p></main>")) == ["Text"]


def test_a_page_says_its_encoding(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.html").write_bytes('<meta charset="iso-8859-2"><p>łódź</p>'.encode("iso8859_2"))
    assert read() == [Document("a.html", "łódź")]


def test_a_page_of_any_length_comes_in_pieces(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.html").write_text("<p>some words</p>" * 60_000 + "<p>" + "one paragraph " * 80_000)
    found = [one for one in read() if isinstance(one, Document)]
    assert [one.name for one in found] == [f"a.html!{number}" for number in range(1, len(found) + 1)]
    assert max(len(one.text) for one in found) <= texts.PIECE
    assert sum(one.text.count("some words") for one in found) == 60_000
    assert sum(one.text.split().count("paragraph") for one in found) == 80_000


def test_a_page_without_words_is_told(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.html").write_text("<script>x()</script>")
    assert read() == [Unreadable("a.html", texts.NOTHING)]


@pytest.mark.parametrize("bad", ["<a ", "<a b='", "<!--", "<![", "<?", "</", "<script>", "<a x=", "<textarea>"])
def test_a_page_of_unfinished_tags_is_gone_through_once(bad: str) -> None:
    assert list(html_paragraphs("<p>before</p>" + bad * (400_000 // len(bad)))) == ["before"]


def test_signs_that_are_no_tags_are_words() -> None:
    assert list(html_paragraphs("<p>1 < 2 <3 & 4 &lt; 5 &copy</p>")) == ["1 < 2 <3 & 4 < 5 ©"]


def test_attributes_may_hold_anything() -> None:
    page = """<p title="a > b" data-x='<p>'>One</p><img alt=don't>"""
    page += """<script>if (a < b) "</p>"</SCRIPT ><p>Two<!-- > --></p>"""
    assert list(html_paragraphs(page)) == ["One", "Two"]
    for step in range(1, len(page)):  # wherever the file is cut
        assert list(paragraphs([page[at : at + step] for at in range(0, len(page), step)])) == ["One", "Two"]
