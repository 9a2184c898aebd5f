"""Documents of Word (.docx) and OpenDocument (.odt): a zip of XML, of which the words are read, and the notes.

Not read are remarks, what was deleted, headers and footers, tables of contents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO
from zipfile import ZipFile

from node.data.document import Document, Unreadable
from node.data.reading.archives import opened_zip, zip_member, zip_stream
from node.data.reading.flow import LONGEST, Flow
from node.data.reading.limits import Budget, Exhausted, Refused
from node.data.reading.markup import attribute, listened
from node.data.reading.texts import pieces

NO_DOCUMENT = "not a document of a word processor, or a damaged one"
LOCKED = "locked with a password (save it without one)"
OLD = "locked with a password, or of an old Word (save it as .docx without a password)"
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # an old Word's file; a new one is put into such a file to lock it
_MANIFEST = "META-INF/manifest.xml"
_LIST = 4 << 20  # bytes
_MOST_CELLS = 10_000  # in a row
_SPACES = re.compile(r"[ \t\r\n]+")
_HEADING = re.compile(r"head|titl|titr|tit[ou]l|berschrift|rubrik|otsikko|kop\d|nag[lł]", re.IGNORECASE)
_CONTENTS = re.compile(r"TOC\d")


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which tags mean what."""

    paragraphs: frozenset[str]
    words: frozenset[str]  # in which the words stand; none: anywhere in a paragraph
    signs: Mapping[str, str]
    item: str
    table: str
    row: str
    cells: frozenset[str]
    unseen: frozenset[str]


WORD = Dialect(
    paragraphs=frozenset({"p"}),
    words=frozenset({"t"}),
    signs={"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"},
    item="numPr",
    table="tbl",
    row="tr",
    cells=frozenset({"tc"}),
    unseen=frozenset({"del", "moveFrom", "Fallback", "tabs", "rt"}),  # Fallback: the same again for an older Word
)
OPEN = Dialect(
    paragraphs=frozenset({"p", "h"}),
    words=frozenset(),
    signs={"tab": "\t", "line-break": "\n"},
    item="list-item",
    table="table",
    row="table-row",
    cells=frozenset({"table-cell"}),
    unseen=frozenset(
        {"tracked-changes", "annotation", "note-citation", "forms", "scripts", "table-of-content", "ruby-text"}
    ),
)


def word(name: str, file: BinaryIO, budget: Budget) -> Iterator[Document | Unreadable]:
    """The text of a .docx, then its notes. Raises Refused."""
    with _opened(file) as archive:
        main = sorted(path for path in archive.NameToInfo if re.fullmatch(r"word/document\d*\.xml", path))
        notes = [path for path in ("word/footnotes.xml", "word/endnotes.xml") if path in archive.NameToInfo]
        if not main:
            raise Refused(NO_DOCUMENT)
        yield from pieces(name, _paragraphs(archive, [main[0], *notes], WORD, budget))


def open_document(name: str, file: BinaryIO, budget: Budget) -> Iterator[Document | Unreadable]:
    """The text of an .odt, each note after its paragraph. Raises Refused."""
    with _opened(file) as archive:
        listed = zip_member(archive, _MANIFEST, budget, _LIST) if _MANIFEST in archive.NameToInfo else b""
        if b"encryption-data" in listed:
            raise Refused(LOCKED)
        if "content.xml" not in archive.NameToInfo:
            raise Refused(NO_DOCUMENT)
        yield from pieces(name, _paragraphs(archive, ["content.xml"], OPEN, budget))


@contextmanager
def _opened(file: BinaryIO) -> Iterator[ZipFile]:
    if file.read(len(_OLD)) == _OLD:
        raise Refused(OLD)
    try:
        archive = opened_zip(file)
    except Exhausted:
        raise
    except Refused as error:
        raise Refused(NO_DOCUMENT) from error
    with archive:
        yield archive


def _paragraphs(archive: ZipFile, paths: list[str], dialect: Dialect, budget: Budget) -> Iterator[str]:
    for path in paths:
        with zip_stream(archive, path, budget, budget.limits.whole) as stream:
            yield from listened(stream, Words(dialect))


class Words:
    """Listens to the XML of a document."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._flow = Flow()
        self._open: list[list[str]] = []  # paragraphs under way, one within the other: a note, a text box
        self._inner: list[str] = []  # those that ended within another
        self._size = 0  # characters held
        self._unseen = self._words = self._tables = 0  # tags around us
        self._item = self._heading = self._contents = False  # what the paragraph under way is
        self._cells: list[list[str]] = []  # of the row under way

    def taken(self) -> list[str]:
        return self._flow.taken()

    def opened(self, tag: str, attributes: Mapping[str, str]) -> None:
        its = self._dialect
        if self._unseen or tag in its.unseen:
            self._unseen += 1
        elif tag in its.paragraphs:
            self._open.append([])
            self._heading |= tag == "h"
        elif tag in its.words:
            self._words += 1
        elif tag in its.signs:
            self._say(its.signs[tag])
        elif tag == its.item:
            self._item = True
        elif tag == its.table:
            if not self._tables:
                self._flow.end()
            self._tables += 1
        elif tag in its.cells and self._tables == 1:
            self._cells.append([])
            if len(self._cells) > _MOST_CELLS:
                self._end_row()
        elif tag == "s" and self._open and not its.words:  # so many spaces
            count = attribute(attributes, "c")
            self._say(" " * min(int(count), 80) if count.isdecimal() else " ")
        elif tag == "pStyle":
            self._styled(attribute(attributes, "val"))
        elif tag == "numId" and attribute(attributes, "val") == "0":  # of no list after all
            self._item = False

    def closed(self, tag: str) -> None:
        its = self._dialect
        if self._unseen:
            self._unseen -= 1
        elif tag in its.paragraphs:
            self._end_paragraph()
        elif tag in its.words:
            self._words -= 1
        elif tag == its.row and self._tables == 1:
            self._end_row()
        elif tag == its.table:
            self._tables -= 1
        elif tag in ("body", "text", "footnotes", "endnotes"):
            self._flow.end()

    def said(self, text: str) -> None:
        if self._unseen:
            return
        if self._words:
            self._say(text)
        elif not self._dialect.words:
            self._say(_SPACES.sub(" ", text))

    def _say(self, text: str) -> None:
        if not self._open:
            return
        self._open[-1].append(text)
        self._size += len(text)
        if self._size > LONGEST:  # nobody's row, nor a paragraph that anybody would read
            for paragraphs in (*self._cells, self._inner):
                self._all(paragraphs)
            for words in self._open:
                self._flow.paragraph("".join(words))
                words.clear()
            self._size = 0

    def _styled(self, style: str) -> None:
        self._contents = _CONTENTS.fullmatch(style) is not None
        self._heading = _HEADING.search(style) is not None
        self._item |= style.startswith(("ListBullet", "ListNumber"))

    def _end_paragraph(self) -> None:
        text = "".join(self._open.pop())
        if self._open:
            self._inner += [text] if text else []
            return
        if self._contents:
            text = ""
        if self._tables and self._cells:
            self._cells[-1] += [one for one in (text, *self._inner) if one]
        else:
            (self._flow.item if self._item and not self._heading else self._flow.paragraph)(text)
            self._all(self._inner)
            self._size = 0
        self._inner.clear()
        self._item = self._heading = self._contents = False

    def _end_row(self) -> None:
        self._flow.row(self._cells)
        self._cells.clear()
        self._size = 0

    def _all(self, paragraphs: list[str]) -> None:
        """Said, and held no longer."""
        for text in paragraphs:
            self._flow.paragraph(text)
        paragraphs.clear()
