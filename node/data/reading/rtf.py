r"""Rich Text Format: groups in braces, words that begin with a backslash, and the text between them.

What is read: paragraphs, tables, items of lists, footnotes after their paragraph; in any code page, and as \u. What is
not: pictures, headers, instructions of fields, whatever is hidden or deleted, and all that a reader may pass over (\*).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from node.data.document import Document, Unreadable
from node.data.reading.archives import DAMAGED
from node.data.reading.encodings import WESTERN
from node.data.reading.flow import LONGEST, Flow
from node.data.reading.limits import Refused
from node.data.reading.looks import RTF
from node.data.reading.rtf_words import CHARSETS, MEANT, PARAGRAPH_ENDS, PASSED_OVER, SIGNS, page
from node.data.reading.streams import Stream
from node.data.reading.texts import pieces

NO_RTF = "not an RTF file"
STEP = 64 << 10  # bytes
_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?[0-9]{1,10})?[ ]?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z])|([{}])|([^\\{}\r\n\0]+)|[\\\r\n\0]"
)
_LONGEST_TOKEN = 64  # bytes
_DEEPEST = 1000  # groups within each other
_MOST = 10_000  # fonts, or cells in a row


def documents(name: str, stream: Stream) -> Iterator[Document | Unreadable]:
    """The text of an RTF file. Raises Refused when it is none."""
    if stream.peek(len(RTF)) != RTF:
        raise Refused(NO_RTF)
    yield from pieces(name, _paragraphs(stream))


def _paragraphs(stream: Stream) -> Iterator[str]:
    reader, held, last = _Reader(), b"", False
    while not last and not reader.ended:
        data = stream.read(STEP)
        last = not data
        held = reader.feed(held + data, last=last)
        yield from reader.flow.taken()
    reader.finish()
    yield from reader.flow.taken()


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds until the next closing brace."""

    passed_over: bool = False
    hidden: bool = False
    page: str = ""  # the code page of the font; "" is the file's
    after_unicode: int = 1  # characters after \\u for readers that do not know it
    fonts: bool = False  # is it the table of fonts?
    table: bool = False  # are its paragraphs in a table?
    note: bool = False  # a footnote begins with it


class _Reader:
    def __init__(self) -> None:
        self.flow = Flow()
        self.ended = False
        self._group, self._around = _Group(), list[_Group]()
        self._page = WESTERN
        self._pages: dict[int, str] = {}  # of the fonts
        self._font = self._usual_font = 0
        self._open: list[list[str]] = [[]]  # the paragraph under way; that of a note within it
        self._notes: list[str] = []
        self._cells: list[list[str]] = []
        self._cell: list[str] = []  # its paragraphs but for the one under way
        self._bytes = bytearray()  # not decoded yet
        self._skip = self._binary = 0  # characters and bytes that are passed over
        self._item = False
        self._size = 0

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """Go through `data`; returns what may go on in the next."""
        at = 0
        while at < len(data) and not self.ended:
            if self._binary:
                step = min(self._binary, len(data) - at)
                self._binary -= step
                at += step
                continue
            if data[at] == 0x5C and len(data) - at < _LONGEST_TOKEN and not last:
                break
            token = _TOKEN.match(data, at)
            assert token is not None
            at = token.end()
            self._token(token)
        return data[at:]

    def finish(self) -> None:
        while len(self._open) > 1:
            self._end_note()
        self._end_paragraph()
        self._end_row()
        self.flow.end()

    def _token(self, token: re.Match[bytes]) -> None:
        word, number, code, sign, brace, plain = token.groups()
        if plain is not None:
            skipped = min(self._skip, len(plain))
            self._skip -= skipped
            self._plain(plain[skipped:])
        elif word is not None or sign is not None:
            if self._skip and sign is not None:
                self._skip -= 1
            else:
                self._word(word if sign is None else sign, None if number is None else int(number))
        elif code is not None:
            if self._skip:
                self._skip -= 1
            else:
                self._plain(bytes([int(code, 16)]))
        elif brace == b"{":
            self._begin_group()
        elif brace == b"}":
            self._end_group()

    def _plain(self, data: bytes) -> None:
        group = self._group
        if not group.passed_over and not group.hidden:
            self._bytes += data
            if len(self._bytes) > LONGEST:
                self._decode()

    def _begin_group(self) -> None:
        self._skip = 0
        self._decode()
        self._around.append(self._group)
        if len(self._around) > _DEEPEST:
            raise Refused(DAMAGED)
        if self._group.note:
            self._change(note=False)

    def _end_group(self) -> None:
        self._skip = 0
        self._decode()
        if self._group.note:
            self._end_note()
        if self._around:
            self._group = self._around.pop()
        self.ended = not self._around

    def _word(self, word: bytes, number: int | None) -> None:
        if word not in MEANT:
            return
        group = self._group
        if word == b"*":
            self._change(passed_over=True)
        elif word in PASSED_OVER:
            self._item |= word in (b"listtext", b"pntext") and not group.passed_over
            self._change(passed_over=True, fonts=word == b"fonttbl")
        elif word == b"bin":
            self._binary = max(0, number or 0)
        elif group.fonts:
            self._of_font(word, number or 0)
        elif not group.passed_over:
            self._shown(word, number)

    def _shown(self, word: bytes, number: int | None) -> None:
        """A word where text is."""
        if word == b"u":
            self._say(chr((number or 0x20) & 0xFFFF))
            self._skip = self._group.after_unicode
        elif word in SIGNS:
            self._say(SIGNS[word])
        elif word in PARAGRAPH_ENDS:
            self._end_paragraph()
        elif word in (b"cell", b"nestcell"):
            self._end_cell()
        elif word in (b"row", b"nestrow"):
            self._end_row()
        elif word == b"uc":
            self._change(after_unicode=min(max(0, 1 if number is None else number), 9))
        elif word == b"f":
            self._in_font(number or 0)
        elif word in (b"v", b"deleted"):
            self._decode()
            self._change(hidden=number != 0)
        elif word == b"plain":
            self._in_font(self._usual_font)
            if self._group.hidden:
                self._decode()
                self._change(hidden=False)
        elif word in (b"intbl", b"pard"):
            if self._group.table is not (word == b"intbl"):
                self._change(table=word == b"intbl")
        elif word == b"footnote":
            self._decode()
            self._change(note=True)
            self._open.append([])
        elif word == b"ansicpg":
            self._page = page(number or 0)
        elif word in (b"mac", b"pc", b"pca"):
            self._page = {b"mac": "mac_roman", b"pc": "cp437", b"pca": "cp850"}[word]
        elif word == b"deff":
            self._usual_font = number or 0

    def _of_font(self, word: bytes, number: int) -> None:
        """A word of the table of fonts."""
        if word == b"f":
            self._font = number
        elif word == b"fcharset" and number in CHARSETS and len(self._pages) < _MOST:
            self._pages[self._font] = CHARSETS[number]

    def _in_font(self, number: int) -> None:
        if (its := self._pages.get(number, "")) != self._group.page:
            self._decode()
            self._change(page=its)

    def _change(self, **changes: bool | int | str) -> None:
        self._group = replace(self._group, **changes)  # type: ignore[arg-type]

    def _decode(self) -> None:
        if self._bytes:
            data, self._bytes = bytes(self._bytes), bytearray()
            self._say(data.decode(self._group.page or self._page, "replace"))

    def _say(self, text: str) -> None:
        self._decode()
        if self._group.hidden or self._group.passed_over:
            return
        self._open[-1].append(text)
        self._size += len(text)
        if self._size > LONGEST:  # nobody's row, nor a paragraph that anybody would read
            self._end_row()
            for words in self._open:
                self.flow.paragraph(_whole(words))
            self._all_notes()
            self._size = 0

    def _text(self) -> str:
        """The paragraph under way, which ends."""
        self._decode()
        return _whole(self._open[-1])

    def _end_paragraph(self) -> None:
        text = self._text()
        if len(self._open) > 1:
            self._notes.append(text)
        elif self._group.table:
            self._cell += [one for one in (text, *self._notes) if one]
            self._notes.clear()
        else:
            self._end_row()
            (self.flow.item if self._item else self.flow.paragraph)(text)
            self._all_notes()
            self._item, self._size = False, 0

    def _all_notes(self) -> None:
        for note in self._notes:
            self.flow.paragraph(note)
        self._notes.clear()

    def _end_note(self) -> None:
        self._notes.append(self._text())
        if len(self._open) > 1:
            self._open.pop()

    def _end_cell(self) -> None:
        self._cells.append([*self._cell, self._text(), *self._notes])
        self._cell.clear()
        self._notes.clear()
        self._item = False
        if len(self._cells) > _MOST:
            self._end_row()

    def _end_row(self) -> None:
        if self._cell:
            self._cells.append([*self._cell])
            self._cell.clear()
        if self._cells:
            self.flow.row(self._cells)
            self._cells.clear()
            self._size = 0


def _whole(words: list[str]) -> str:
    """Said, and held no longer; what \\u gave in two halves is one character."""
    text = "".join(words).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    words.clear()
    return text
