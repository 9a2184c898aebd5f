"""CSV and TSV: each row is a document, of the column that the owner names or of all that hold sentences.

A quoted field may hold line ends, so a file is cut where quotes are closed; both the whole and a part are read block by
block, and each block's rows are parsed alone.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from node.data.document import Counts, Document, Unreadable
from node.data.reading.encodings import Encoding
from node.data.reading.limits import Refused
from node.data.reading.streams import Stream
from node.data.reading.texts import BLOCK, NOTHING, PIECE, WINDOW, cut, decoded

NO_TEXT = "a table without a column of sentences (name one that you want all the same)"
_LETTERS = 12  # on average, in a column that holds sentences
_LOOKED_AT = 200  # rows
_MARKS = re.compile(rb'["\n]')


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is to be read."""

    delimiter: str
    header: bool
    columns: tuple[int, ...]  # those wanted


def rows(
    name: str,
    stream: Stream,
    encoding: Encoding,
    layout: Layout,
    counts: Counts,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[Document | Unreadable]:
    """The rows that begin in [start, stop), which are offsets that `blocks` gives."""
    csv.field_size_limit(min(sys.maxsize, (1 << 31) - 1))  # a block is short anyway
    for offset, data in blocks(stream, start, stop):
        label = f"{name}!{offset // BLOCK + 1}"
        try:
            lines = csv.reader(
                io.StringIO(decoded(data, encoding, counts, first=offset == 0), newline=""), delimiter=layout.delimiter
            )
            for number, row in enumerate(lines, 1):
                text = joined([row[column] for column in layout.columns if column < len(row)])
                if text and not (layout.header and offset == 0 and number == 1):
                    yield Document(f"{label}.{number}", text[:PIECE], kind="table")
        except Refused as refused:
            yield Unreadable(label, refused.reason)
        except csv.Error:
            yield Unreadable(label, "not a table in this place")


def blocks(stream: Stream, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of whole rows, about BLOCK bytes each. A row longer than that is broken."""
    if start:
        stream.seek(start)
    while stop is None or stream.at < stop:
        offset = stream.at
        data = stream.read((offset // BLOCK + 1) * BLOCK - offset)
        data += stream.read(_row_end(stream.peek(WINDOW), open_quotes=data.count(b'"') % 2 == 1))
        if not data:
            return
        yield offset, data


def layout(sample: bytes, encoding: Encoding, suffix: str, wanted: str) -> Layout:
    """What the beginning of a file tells. Raises Refused when the wanted column is not there, or none holds text."""
    whole = sample[encoding.mark : sample.rfind(b"\n") + 1 or None]
    text = encoding.decode(whole)[0].replace("\r\n", "\n").replace("\r", "\n")
    delimiter = "\t" if suffix == "tsv" else _delimiter(text)
    found = _parsed(text, delimiter)
    if not found:
        raise Refused(NOTHING)
    header = _is_header(found)
    columns = [[row[number] for row in found[header:] if number < len(row)] for number in range(len(found[0]))]
    return Layout(delimiter, header, chosen([*found[0]] if header else [], columns, wanted))


def chosen(names: Sequence[str], columns: Sequence[Sequence[str]], wanted: str) -> tuple[int, ...]:
    """The numbers of the columns to read: the wanted one (by name, or by number from 1), else all with sentences."""
    if wanted:
        if wanted in names:
            return (names.index(wanted),)
        if wanted.isdecimal() and 1 <= int(wanted) <= len(columns):
            return (int(wanted) - 1,)
        raise Refused(f'a table without the column "{wanted}"')
    if found := tuple(number for number, values in enumerate(columns) if sentences(values)):
        return found
    raise Refused(NO_TEXT)


def sentences(values: Sequence[str]) -> bool:
    """Are most of these words that somebody wrote, rather than numbers, dates, names and addresses?"""
    written = [value for value in values if value.strip()]
    if not written:
        return False
    letters = sum(2 if letter > "\u2e80" else 1 for value in written for letter in value[:999] if letter.isalpha())
    spaced = sum(" " in value.strip() or value[0] > "\u2e80" for value in written)
    return letters >= _LETTERS * len(written) and spaced * 2 > len(written)


def joined(values: Sequence[str]) -> str:
    return "\n\n".join(stripped for value in values if (stripped := value.strip()))


def _row_end(window: bytes, *, open_quotes: bool) -> int:
    if len(window) < WINDOW:
        return len(window)
    for mark in _MARKS.finditer(window):
        if mark[0] == b'"':
            open_quotes = not open_quotes
        elif not open_quotes:
            return mark.end()
    return cut(window)


def _delimiter(text: str) -> str:
    """The one that gives the most rows of the same length, of at least two columns."""

    def agreement(delimiter: str) -> tuple[int, int]:
        lengths = Counter(len(row) for row in _parsed(text, delimiter))
        return max(((rows * (length > 1), length) for length, rows in lengths.items()), default=(0, 0))

    best = max(",;\t|", key=agreement)
    return best if agreement(best)[0] else ","


def _parsed(text: str, delimiter: str) -> list[list[str]]:
    try:
        return [
            row
            for row, _ in zip(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), range(200), strict=False)
        ]
    except csv.Error:
        return []


def _is_header(found: list[list[str]]) -> bool:
    """Short names, each once, none of them a number."""
    first = [name.strip() for name in found[0]]
    return len(set(first)) == len(first) and all(
        0 < len(name) <= 60 and not re.fullmatch(r"[-+\d.,:/\s]+", name) for name in first
    )
