"""WARC: the web pages and plain texts of a crawl, each answer a document."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import Any

from node.data.document import Counts, Document, Unreadable
from node.data.reading.encodings import Encoding, detect, known
from node.data.reading.limits import Budget, Refused
from node.data.reading.streams import CHUNK, Stream
from node.data.reading.texts import NOT_TEXT, NOTHING, decoded, pieces, text_paragraphs
from node.data.reading.webpages import declared, paragraphs

NO_CRAWL = "not a WARC file, or a damaged one"
TOO_LONG = "a web page of more than 8 MB"
_PAGE = 8 << 20  # bytes
_HEADERS = 1 << 20  # bytes between two records
_KINDS = {"response": "", "resource": "", "conversion": "text/plain"}


def pages(name: str, stream: Stream, counts: Counts, budget: Budget) -> Iterator[Document | Unreadable]:
    """The pages that were answered with success, numbered as records from 1. Raises Refused."""
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    if not stream.peek(5) == b"WARC/":
        raise Refused(NO_CRAWL)
    guarded = _Guarded(stream)
    found = False
    try:
        for number, record in enumerate(_quietly(ArchiveIterator(guarded)), 1):
            guarded.left = None
            if (kind := _kind(record)) is not None:
                for item in _page(f"{name}!{number}", record, kind, counts, budget):
                    found = True
                    yield item
            while record.raw_stream.read(CHUNK):
                pass
            guarded.left = _HEADERS
    except (ArchiveLoadFailed, ValueError, LookupError, AttributeError) as error:
        raise Refused(NO_CRAWL) from error
    if not found:
        yield Unreadable(name, NOTHING)


def _quietly(records: Any) -> Iterator[Any]:
    """The records, without what the library prints about them: addresses of pages are nobody's business."""
    logging.getLogger("warcio").setLevel(logging.CRITICAL)
    while True:
        with contextlib.redirect_stderr(io.StringIO()):
            record = next(records, None)
        if record is None:
            return
        yield record


class _Guarded:
    """A stream in which no header is so long that it could not be held."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.left: int | None = _HEADERS

    def read(self, size: int = CHUNK, /) -> bytes:
        data = self._stream.read(min(size, CHUNK) if size >= 0 else CHUNK)
        if self.left is not None:
            self.left -= len(data)
            if self.left < 0:
                raise Refused(NO_CRAWL)
        return data


def _kind(record: Any) -> str | None:
    """The media type of a record that holds a page; None for all others."""
    if record.rec_type not in _KINDS:
        return None
    headers = record.http_headers or record.rec_headers
    if record.http_headers and not str(record.http_headers.get_statuscode()).startswith("2"):
        return None
    kind = str(headers.get_header("Content-Type") or _KINDS[record.rec_type]).lower()
    return kind if kind.startswith(("text/html", "application/xhtml", "text/plain")) else None


def _page(label: str, record: Any, kind: str, counts: Counts, budget: Budget) -> Iterator[Document | Unreadable]:
    data = record.content_stream().read(_PAGE + 1)
    budget.unpack(len(data))
    if len(data) > _PAGE:
        yield Unreadable(label, TOO_LONG)
        return
    encoding = detect(data)
    if encoding is None or not data.strip():
        yield Unreadable(label, NOT_TEXT if data.strip() else NOTHING)
        return
    charset = kind.partition("charset=")[2].partition(";")[0].strip(" \"'")
    if encoding.other and known(charset) and not charset.startswith("utf"):
        encoding = Encoding(other=charset)
    elif not kind.startswith("text/plain"):
        encoding = declared(encoding, data)
    try:
        text = data.decode(encoding.wide, "replace") if encoding.wide else decoded(data, encoding, counts, first=True)
    except Refused as refused:
        yield Unreadable(label, refused.reason)
        return
    yield from pieces(label, text_paragraphs(text) if kind.startswith("text/plain") else paragraphs([text]))
