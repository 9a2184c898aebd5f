"""Books, PDFs and crawls."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from node.data.document import Document, Unreadable
from node.data.reading import books, crawls, pdf_child, pdfs
from node.data.reading.limits import Limits
from node.data.reading.read import Options
from node.data.reading.texts import NOTHING
from tests.node.data.reading.conftest import Read

CONTAINER = '<container><rootfiles><rootfile full-path="OPS/a%20b.opf" media-type="x"/></rootfiles></container>'
PACKAGE = """<package><manifest>
  <item id="c1" href="one.xhtml"/><item href='sub/two%20x.xhtml' id='c2'/><item id="p" href="cover.xhtml"/>
  <item id="gone" href="gone.xhtml"/><item id="unused" href="unused.xhtml"/></manifest>
  <spine><itemref idref="p"/><itemref idref="c2"/><itemref idref="gone"/><itemref idref="c1"/></spine></package>"""


def book(path: Path, more: dict[str, str] | None = None) -> None:
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OPS/a%20b.opf": PACKAGE,
        "OPS/one.xhtml": "<html><head><title/></head><body><h1>One</h1><p>First &amp; last.</p></body></html>",
        "OPS/sub/two x.xhtml": "<p>Two</p>",
        "OPS/cover.xhtml": "<img src='x.png'/>",
        "OPS/unused.xhtml": "<p>no</p>",
        **(more or {}),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)


def test_a_book_is_read_chapter_by_chapter_in_reading_order(tmp_path: Path, read: Read) -> None:
    book(tmp_path / "a.epub")
    assert [one for one in read() if isinstance(one, Document)] == [
        Document("a.epub!OPS/sub/two x.xhtml", "Two"), Document("a.epub!OPS/one.xhtml", "One\n\nFirst & last."),
    ]  # fmt: skip
    assert [one.name for one in read() if isinstance(one, Unreadable)] == ["a.epub!OPS/gone.xhtml"]


def test_chapters_that_a_shop_has_locked_are_told(tmp_path: Path, read: Read) -> None:
    lock = '<enc:EncryptedData><enc:CipherReference URI="OPS/one.xhtml"/></enc:EncryptedData>'
    book(tmp_path / "a.epub", {"META-INF/encryption.xml": lock})
    assert read()[-1] == Unreadable("a.epub!OPS/one.xhtml", books.LOCKED)


def test_what_is_no_book_is_told(tmp_path: Path, read: Read) -> None:
    with zipfile.ZipFile(tmp_path / "a.epub", "w") as archive:
        archive.writestr("x.txt", "x")
    (tmp_path / "b.epub").write_bytes(b"PK\3\4")
    (tmp_path / "c.epub").write_bytes(b"x" * 999)
    assert read()[0] == Unreadable("a.epub", books.NO_BOOK)
    assert [one.name for one in read()] == ["a.epub", "b.epub", "c.epub"]


def pdf(*pages: str) -> bytes:
    """A PDF that shows these lines; each page is a content stream."""
    objects = ["<</Type/Catalog/Pages 2 0 R>>", ""]
    kids = []
    for page in pages:
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents {len(objects) + 2} 0 R"
            "/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>"
        )
        objects.append(f"<</Length {len(page)}>>stream\n{page}\nendstream")
    objects[1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(kids)}]>>"
    file = io.BytesIO()
    file.write(b"%PDF-1.4\n")
    starts = []
    for number, text in enumerate(objects, 1):
        starts.append(file.tell())
        file.write(f"{number} 0 obj{text}endobj\n".encode("latin-1"))
    table = file.tell()
    rows = "".join(f"{start:010} 00000 n \n" for start in starts)
    file.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}".encode())
    file.write(f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF".encode())
    return file.getvalue()


def lines(*texts: str) -> str:
    return "BT /F 12 Tf 14 TL 50 700 Td " + " ".join(f"({text}) Tj T*" for text in texts) + " ET"


@pytest.fixture(autouse=True, scope="module")
def _no_child_is_left() -> object:
    yield
    pdfs.close()


def test_the_pages_of_a_pdf_are_joined_and_its_words_are_whole(tmp_path: Path, read: Read) -> None:
    pages = (lines("A long hyphen-", "ated word. It goes"), lines("on overleaf."), lines("End."))
    (tmp_path / "a.pdf").write_bytes(pdf(*pages))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("x.pdf", pdf(lines("Inside.")))
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.4 nothing")
    (tmp_path / "d.pdf").write_bytes(pdf(""))
    assert read() == [
        Document("a.pdf", "A long hyphenated word. It goes\non overleaf.\n\nEnd."),
        Document("b.zip!x.pdf", "Inside."),
        Unreadable("c.pdf", pdf_child.DAMAGED),
        Unreadable("d.pdf", pdfs.PICTURES),
    ]


def test_a_pdf_that_takes_for_ever_does_not_stop_the_rest(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf("BT /F 12 Tf " + "(x) Tj T* " * 600_000 + "ET"))
    (tmp_path / "b.pdf").write_bytes(pdf(lines("After.")))
    pdfs.close()  # one with other limits
    found = read(Options(limits=Limits(pdf_seconds=1)))
    pdfs.close()
    assert found == [Unreadable("a.pdf", pdfs.TOO_LONG), Document("b.pdf", "After.")]


def record(kind: str, content_type: str, body: bytes, status: str = "200 OK") -> bytes:
    http = b""
    if kind == "response":
        http = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n\r\n".encode()
        content_type = "application/http; msgtype=response"
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nContent-Type: {content_type}\r\nWARC-Record-ID: <urn:uuid:1>\r\n"
    head += f"WARC-Target-URI: http://example.org/\r\nContent-Length: {len(http + body)}\r\n\r\n"
    return head.encode() + http + body + b"\r\n\r\n"


CRAWL = [
    record("warcinfo", "application/warc-fields", b"software: x"),
    record("response", "text/html; charset=iso-8859-2", "<p>łódź</p><nav>no</nav>".encode("iso8859_2")),
    record("response", "image/png", b"\x89PNG"),
    record("response", "text/html", b"<p>not found</p>", "404 Not Found"),
    record("response", "text/plain", "größer\n\nplain".encode()),
    record("conversion", "text/plain", b"only text"),
]
READ = [Document("a!2", "łódź"), Document("a!5", "größer\n\nplain"), Document("a!6", "only text")]


def test_the_pages_of_a_crawl_are_read(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.warc").write_bytes(b"".join(CRAWL))
    (tmp_path / "b.warc.gz").write_bytes(b"".join(gzip.compress(one) for one in CRAWL))
    assert [one.text for one in read() if isinstance(one, Document)] == [one.text for one in READ] * 2
    assert [one.name for one in read()[:3]] == ["a.warc!2", "a.warc!5", "a.warc!6"]
    assert len(read()) == 6


def test_what_is_no_crawl_is_told(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.warc").write_bytes(b"<html>")
    (tmp_path / "b.warc").write_bytes(CRAWL[0])
    (tmp_path / "c.warc").write_bytes(CRAWL[1] + b"WARC/1.0\r\n" + b"x" * (3 << 20))
    assert read()[:2] == [Unreadable("a.warc", crawls.NO_CRAWL), Unreadable("b.warc", NOTHING)]
    assert read()[2:] == [Document("c.warc!1", "łódź"), Unreadable("c.warc", crawls.NO_CRAWL)]
