"""Documents of word processors: their words, and what somebody may have made them of."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from node.data.document import Document, Unreadable
from node.data.reading import archives, markup, office, texts
from node.data.reading.limits import Limits, Refused
from node.data.reading.markup import listened
from node.data.reading.office import WORD
from node.data.reading.read import Options
from node.data.reading.streams import Stream
from tests.node.data.reading.conftest import Read

NAMES = (
    'xmlns:w="http://w" xmlns:mc="http://mc" xmlns:office="http://o" xmlns:text="http://t" xmlns:table="http://table" '
    'xmlns:wps="http://wps" xmlns:v="http://v"'
)


def packed(path: Path, members: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)


def docx(path: Path, body: str, more: dict[str, str] | None = None) -> None:
    text = f'<?xml version="1.0" encoding="UTF-8"?><w:document {NAMES}><w:body>{body}</w:body></w:document>'
    packed(path, {"[Content_Types].xml": "<Types/>", "word/document.xml": text, **(more or {})})


def odt(path: Path, body: str, manifest: str = "<manifest/>") -> None:
    text = f"<office:document-content {NAMES}><office:body><office:text>{body}</office:text></office:body>"
    members = {"mimetype": "application/vnd.oasis.opendocument.text", "META-INF/manifest.xml": manifest}
    packed(path, {**members, "content.xml": text + "</office:document-content>"})


def p(*runs: str, properties: str = "") -> str:
    """A paragraph of Word."""
    style = f"<w:pPr>{properties}</w:pPr>" if properties else ""
    return f"<w:p>{style}{''.join(f'<w:r><w:t>{run}</w:t></w:r>' for run in runs)}</w:p>"


ITEM = '<w:pStyle w:val="ListParagraph"/><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
NO_ITEM = '<w:numPr><w:numId w:val="0"/></w:numPr>'
HEADING = '<w:pStyle w:val="berschrift1"/><w:numPr><w:numId w:val="1"/></w:numPr>'


def test_a_letter_of_word_is_read_paragraph_by_paragraph(tmp_path: Path, read: Read) -> None:
    body = (
        p("Plan", properties=HEADING)
        + p("Dear ", "Ana &amp; Bo, ", "ü\u4e2d", properties='<w:tabs><w:tab w:val="left"/></w:tabs>')
        + "<w:p><w:r><w:t>one</w:t><w:br/><w:t>two</w:t><w:tab/><w:t>three</w:t></w:r></w:p><w:p/>"
        + p("milk", properties=ITEM)
        + p("bread", properties='<w:pStyle w:val="ListBullet"/>')
        + p("End.", properties=NO_ITEM)
    )
    docx(tmp_path / "a.docx", body)
    assert read() == [Document("a.docx", "Plan\n\nDear Ana & Bo, ü中\n\none\ntwo\tthree\n\n- milk\n- bread\n\nEnd.")]


def test_what_nobody_sees_in_word_is_not_read(tmp_path: Path, read: Read) -> None:
    body = (
        p("Contents 3", properties='<w:pStyle w:val="TOC1"/>')
        + "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>moved</w:t></w:r>"
        + "</w:moveFrom><w:ins><w:r><w:t>Kept</w:t></w:r></w:ins><w:r><w:instrText> PAGE </w:instrText></w:r>"
        + "<w:r><w:t>.</w:t></w:r></w:p>"
        + "<w:p><w:r><w:t>Around a box</w:t><mc:AlternateContent><mc:Choice><wps:txbx>"
        + p("In the box")
        + "</wps:txbx></mc:Choice><mc:Fallback><v:textbox>"
        + p("In the box")
        + "</v:textbox></mc:Fallback></mc:AlternateContent><w:t>.</w:t></w:r></w:p>"
    )  # fmt: skip
    docx(tmp_path / "a.docx", body, {"word/comments.xml": p("a remark"), "word/header1.xml": p("Page")})
    assert read() == [Document("a.docx", "Kept.\n\nAround a box.\n\nIn the box")]


def test_the_rows_of_a_table_and_the_notes_of_word_are_read(tmp_path: Path, read: Read) -> None:
    def row(*cells: str) -> str:
        return f"<w:tr>{''.join(f'<w:tc>{cell}</w:tc>' for cell in cells)}</w:tr>"

    inner = f"<w:tbl>{row(p('x'), p('y'))}</w:tbl>"
    table = f"<w:tbl>{row(p('Name'), p('Age'))}{row(p('Ana') + p('Maria'), p('7') + inner)}{row(p(), p())}</w:tbl>"
    letter = f"<w:tbl>{row(p('A letter.') + p('In a frame.'), p())}</w:tbl>"
    notes = f"<w:footnotes {NAMES}><w:footnote><w:p/></w:footnote><w:footnote>{p('A note.')}</w:footnote></w:footnotes>"
    docx(tmp_path / "a.docx", p("Before") + table + letter, {"word/footnotes.xml": notes})
    assert read() == [
        Document("a.docx", "Before\n\nName | Age\nAna Maria | 7 x y\n\nA letter.\n\nIn a frame.\n\nA note.")
    ]


def test_a_text_of_open_document_is_read(tmp_path: Path, read: Read) -> None:
    note = "<text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body>"
    body = f"""
      <text:tracked-changes><text:p>gone</text:p></text:tracked-changes>
      <text:table-of-content><text:p>Plan 3</text:p></text:table-of-content>
      <text:list><text:list-item><text:h>Plan</text:h></text:list-item></text:list>
      <text:p>Dear <text:span>Ana</text:span>,<text:note>{note}</text:note> it<text:s/>is<text:s text:c="2"/>so
         late.<text:line-break/>Yours<office:annotation><text:p>a remark</text:p></office:annotation></text:p>
      <text:list><text:list-item><text:p>milk</text:p></text:list-item><text:list-item><text:p>bread</text:p>
        <text:list><text:list-item><text:p>rye</text:p></text:list-item></text:list></text:list-item></text:list>
      <table:table><table:table-row><table:table-cell><text:p>Name</text:p></table:table-cell>
        <table:table-cell><text:p>Age</text:p></table:table-cell></table:table-row></table:table>"""  # fmt: skip
    odt(tmp_path / "a.odt", body)
    wanted = "Plan\n\nDear Ana, it is  so late.\nYours\n\nA note.\n\n- milk\n- bread\n- rye\n\nName | Age"
    assert read() == [Document("a.odt", wanted)]


def test_documents_in_archives_are_read_too(tmp_path: Path, read: Read) -> None:
    docx(tmp_path / "x.docx", p("Inside."))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "x.docx", "letters/x.docx")
    (tmp_path / "x.docx").unlink()
    assert read() == [Document("a.zip!letters/x.docx", "Inside.")]


def test_locked_damaged_and_empty_documents_have_a_reason(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.docx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99))
    (tmp_path / "b.docx").write_bytes(b"PK\3\4 and no more")
    packed(tmp_path / "c.docx", {"x.txt": "x"})
    docx(tmp_path / "d.docx", p())
    docx(tmp_path / "e.docx", "<w:p>")
    odt(tmp_path / "f.odt", "x", "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>")
    packed(tmp_path / "g.odt", {"x.txt": "x"})
    reasons = (
        office.OLD, office.NO_DOCUMENT, office.NO_DOCUMENT, texts.NOTHING, archives.DAMAGED, office.LOCKED,
        office.NO_DOCUMENT,
    )  # fmt: skip
    assert [one.reason for one in read() if isinstance(one, Unreadable)] == [*reasons]


def test_entities_are_refused_before_they_swell(tmp_path: Path, read: Read) -> None:
    swelling = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x><p>&b;</p></x>'
    outside = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x><t>&a;</t></x>'
    packed(tmp_path / "a.docx", {"word/document.xml": outside})
    packed(tmp_path / "b.odt", {"content.xml": swelling})
    assert read() == [Unreadable("a.docx", markup.DOCTYPE), Unreadable("b.odt", markup.DOCTYPE)]


def test_a_document_that_swells_is_refused_unread(tmp_path: Path, read: Read) -> None:
    docx(tmp_path / "a.docx", p(" " * (3 << 20)))
    (found,) = read(Options(limits=Limits(free=1 << 20)))
    assert isinstance(found, Unreadable)
    assert found.reason.startswith("unpacks to more than 100 times")
    (found,) = read(Options(limits=Limits(whole=1 << 20)))
    assert found == Unreadable("a.docx", archives.TOO_LARGE)


@pytest.mark.parametrize("text", ["<a>" * 2000, "<a b='" + "x" * (6 << 20) + "'/>", "<a><b></a>", "&nbsp;", ""])
def test_xml_that_would_be_held_or_is_none_is_refused(text: str) -> None:
    stream = Stream(io.BytesIO(text.encode()))
    with pytest.raises(Refused, match=archives.DAMAGED):
        list(listened(stream, office.Words(WORD)))
    assert stream.at < 5 << 20


def test_a_paragraph_or_a_row_without_an_end_is_handed_on_in_pieces() -> None:
    words = "<w:t>" + "word " * 60_000 + "</w:t>"
    for around in ("{}", "<w:tbl><w:tr><w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr></w:tbl>"):
        text = f"<w:body {NAMES}>" + around.replace("{}", f"<w:p>{words * 5}</w:p>") + "</w:body>"
        found = [*listened(Stream(io.BytesIO(text.encode())), office.Words(WORD))]
        assert max(map(len, found)) < 2 << 20
        assert "".join("".join(found).split()) == "word" * text.count("word ")
