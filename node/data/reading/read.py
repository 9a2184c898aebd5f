"""The whole of reading: which files there are, how a large one is cut into parts, and the documents of a part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from node.data.document import Counts, Document, Unreadable
from node.data.reading import jsons, texts, webpages
from node.data.reading.encodings import SAMPLE, Encoding, Narrowed, detect
from node.data.reading.files import CHANGED, Entry, inventory, opened, shown, unchanged, why
from node.data.reading.kinds import SPLITTABLE, Format, format_of, kind_of, suffix_of
from node.data.reading.limits import Refused
from node.data.reading.streams import Stream

__all__ = ["VERSION", "Entry", "Options", "Part", "documents", "inventory", "split"]
VERSION = 1  # changes when the same files give other documents
PART = texts.BLOCK  # bytes, about


@dataclass(frozen=True, slots=True)
class Options:
    """What the owner says about the files."""

    field: str = ""  # of JSON ("a.b": b within a), or a table's column; "" is "text", or all columns with text
    encoding: str = ""  # of files that are not UTF-8; "" is found out


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or those of its documents that begin in [start, stop)."""

    entry: Entry
    start: int = 0  # bytes; row groups of a Parquet file
    stop: int | None = None  # None: to the end


@dataclass(frozen=True, slots=True)
class _Source:
    """Bytes to be read as the format that `path` says."""

    name: str  # for people
    path: str
    stream: Stream
    start: int = 0
    stop: int | None = None


AS_FOUND = Options()


def split(folder: Path, entry: Entry, options: Options = AS_FOUND, size: int = PART) -> Iterator[Part]:
    """Parts of about `size` bytes, in order, that can be read apart; together they give what the whole gives.

    What cannot be cut (HTML, archives, ...) or cannot be opened is one part.
    """
    step = max(1, size // texts.BLOCK) * texts.BLOCK
    if entry.size <= step or format_of(entry.name) not in SPLITTABLE or not _narrow(folder, entry, options):
        yield Part(entry)
        return
    for start in range(0, entry.size, step):
        yield Part(entry, start, start + step if start + step < entry.size else None)


def documents(
    folder: Path, part: Part, options: Options = AS_FOUND, counts: Counts | None = None, start: int = 0
) -> Iterator[Document | Unreadable]:
    """The documents of one part, in a fixed order, without the first `start` items; what cannot be read is among them.

    Adds to `counts` what was mended on the way. Nothing in a file is a cause to stop; a full disk is (DiskFull).
    """
    file = opened(folder, part.entry)
    if isinstance(file, Unreadable):
        yield from islice([file], start, None)
        return
    name = shown(part.entry.name)
    source = _Source(name, part.entry.name, Stream(file, file, part.entry.size), part.start, part.stop)
    with file:
        try:
            yield from islice(_read(source, options, Counter() if counts is None else counts), start, None)
        except OSError as error:
            yield Unreadable(name, why(error))
        if not unchanged(file, part.entry):
            yield Unreadable(name, CHANGED)


def _read(source: _Source, options: Options, counts: Counts) -> Iterator[Document | Unreadable]:
    format = format_of(source.path)
    if format is Format.UNKNOWN:
        yield Unreadable(source.name, f".{suffix_of(source.path)}: not a kind of file that is read")
        return
    sample = source.stream.peek(SAMPLE)
    if not sample:
        yield Unreadable(source.name, texts.NOTHING)
        return
    encoding = detect(sample, options.encoding)
    if encoding is None:
        yield Unreadable(source.name, texts.NOT_TEXT)
        return
    if encoding.wide:
        source.stream.read(encoding.mark)
        source = replace(source, stream=Stream(Narrowed(source.stream, encoding.wide)))
        encoding = replace(encoding, mark=0)
    try:
        yield from _read_text(source, format, encoding, sample, options, counts)
    except Refused as refused:
        yield Unreadable(source.name, refused.reason)


def _read_text(
    source: _Source, format: Format, encoding: Encoding, sample: bytes, options: Options, counts: Counts
) -> Iterator[Document | Unreadable]:
    match format:
        case Format.JSON_LINES:
            yield from jsons.lines(
                source.name, source.stream, encoding, options.field, counts, source.start, source.stop
            )
        case Format.HTML:
            encoding = webpages.declared(encoding, sample) if not options.encoding else encoding
            page = (
                texts.decoded(data, encoding, counts, first=number == 0) for number, data in texts.blocks(source.stream)
            )
            yield from texts.pieces(source.name, webpages.paragraphs(page))
        case _:
            yield from texts.documents(
                source.name, kind_of(format), source.stream, encoding, counts, source.start, source.stop
            )


def _narrow(folder: Path, entry: Entry, options: Options) -> bool:
    """Can the file be cut at bytes that are newlines?"""
    file = opened(folder, entry)
    if isinstance(file, Unreadable):
        return False
    with file:
        encoding = detect(_sample(file), options.encoding)
    return encoding is not None and not encoding.wide


def _sample(file: BinaryIO) -> bytes:
    try:
        return file.read(SAMPLE)
    except OSError:
        return b""  # whoever reads the file will say so
