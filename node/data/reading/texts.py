"""Text in pieces: a file however large becomes documents of at most about 1 MB, cut where a paragraph or a line ends.

A file's bytes are cut near each multiple of `BLOCK`. Where exactly, a look at the `WINDOW` after it tells; so a part of
a file can be read without its beginning, and parts read apart give what the whole gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from node.data.document import Counts, Document, Kind, Unreadable
from node.data.reading.encodings import Encoding
from node.data.reading.limits import Refused
from node.data.reading.streams import Stream

BLOCK = 960 << 10  # bytes
WINDOW = 64 << 10  # bytes in which the next cut is looked for
PIECE = BLOCK + WINDOW  # characters; no document is longer
TOO_MANY_LOST = 0.01  # of a text's characters
NOTHING = "nothing in it"
NOT_TEXT = "not text"
GARBLED = "with too many characters that cannot be decoded (save it as UTF-8, or name its encoding)"
_CUTS = (rb"\n[ \t\r]*\n", rb"\n", rb"[ \t]", rb"(?=[\x00-\x7f\xc0-\xff])")  # the last: where a UTF-8 character begins
_BLANK = re.compile(r"\n(?:[^\S\n]*\n)+")


def text_paragraphs(text: str) -> Iterator[str]:
    """Blocks between blank lines; indentation stays, so that code is still code."""
    for block in _BLANK.split(text):
        if stripped := block.strip("\n").rstrip():
            yield stripped


def blocks(stream: Stream, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
    """(number, bytes) of each block from the one at `start` to before the one at `stop`, both multiples of BLOCK."""
    number = start // BLOCK
    if start:
        stream.seek(start)
        stream.read(cut(stream.peek(WINDOW)))
    while stop is None or number * BLOCK < stop:
        data = stream.read((number + 1) * BLOCK - stream.at)
        data += stream.read(cut(stream.peek(WINDOW)))
        if not data:
            return
        yield number, data
        number += 1


def cut(window: bytes) -> int:
    """Where the next block begins: after the first empty line, else line, else word, else before a character."""
    for pattern in _CUTS:
        if match := re.search(pattern, window):
            return match.end()
    return 0


def documents(
    name: str, kind: Kind, stream: Stream, encoding: Encoding, counts: Counts, start: int = 0, stop: int | None = None
) -> Iterator[Document | Unreadable]:
    """One item for each block of a plain text; the only block of a file has the file's name."""
    for number, data in blocks(stream, start, stop):
        label = name if number == 0 and not stream.peek(1) else f"{name}!{number + 1}"
        try:
            text = decoded(data, encoding, counts, first=number == 0)
        except Refused as refused:
            yield Unreadable(label, refused.reason)
            continue
        if kind != "code":  # whose lines stay as they are
            text = "\n\n".join(text_paragraphs(text))
        yield Document(label, text, kind=kind) if text.strip() else Unreadable(label, NOTHING)


def decoded(data: bytes, encoding: Encoding, counts: Counts, *, first: bool = False) -> str:
    """Text with plain line ends; the `first` may begin with a byte order mark.

    Raises Refused when it is not text, or too much of it cannot be decoded.
    """
    if b"\0" in data:
        raise Refused(NOT_TEXT)
    text, lost = encoding.decode(data[encoding.mark :] if first else data)
    if lost > max(1, TOO_MANY_LOST * len(text)):
        raise Refused(GARBLED)
    if lost:
        counts["characters replaced"] += lost
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decoded_blocks(stream: Stream, encoding: Encoding, counts: Counts) -> Iterator[str]:
    """A text from its beginning to its end, block by block. Raises Refused."""
    for number, data in blocks(stream):
        yield decoded(data, encoding, counts, first=number == 0)


def pieces(name: str, paragraphs: Iterable[str], kind: Kind = "prose") -> Iterator[Document | Unreadable]:
    """Paragraphs as they come, gathered into documents of at most PIECE characters; a lone one has the plain name."""
    full: str | None = None
    number = 0
    for text in _gathered(paragraphs):
        if full is not None:
            number += 1
            yield Document(f"{name}!{number}", full, kind=kind)
        full = text
    if full is None:
        yield Unreadable(name, NOTHING)
    else:
        yield Document(f"{name}!{number + 1}" if number else name, full, kind=kind)


def _gathered(paragraphs: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for paragraph in paragraphs:
        for short in _short(paragraph):
            if held and size + len(short) + 2 > PIECE:
                yield "\n\n".join(held)
                held, size = [], 0
            held.append(short)
            size += len(short) + 2
    if held:
        yield "\n\n".join(held)


def _short(paragraph: str) -> Iterator[str]:
    """A paragraph longer than PIECE, cut at words."""
    at = 0
    while len(paragraph) - at > PIECE:
        end = paragraph.rfind(" ", at + BLOCK, at + PIECE)
        end = end if end > 0 else at + PIECE
        yield paragraph[at:end].strip()
        at = end
    if rest := (paragraph[at:].strip("\n").rstrip() if at == 0 else paragraph[at:].strip()):
        yield rest
