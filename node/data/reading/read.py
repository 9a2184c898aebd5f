"""The whole of reading: which files there are, how a large one is cut into parts, and the documents of a part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from node.data.document import Counts, Document, Unreadable
from node.data.reading import (
    archives,
    books,
    columns,
    crawls,
    jsons,
    mails,
    office,
    pdfs,
    rtf,
    subtitles,
    tables,
    texts,
    webpages,
)
from node.data.reading.encodings import SAMPLE, Encoding, Narrowed, detect
from node.data.reading.files import CHANGED, Entry, inventory, opened, shown, unchanged, why
from node.data.reading.kinds import BYTES, Format, format_of, inner, kind_of, needs_a_look, not_read, suffix_of
from node.data.reading.limits import USUAL, Budget, Exhausted, Limits, Refused
from node.data.reading.streams import Stream

__all__ = ["VERSION", "Entry", "Options", "Part", "documents", "inventory", "split"]
VERSION = 2  # changes when the same files give other documents
PART = texts.BLOCK  # bytes, about


@dataclass(frozen=True, slots=True)
class Options:
    """What the owner says about the files."""

    field: str = ""  # of JSON ("a.b": b within a), or a table's column; "" is "text", or all columns with sentences
    encoding: str = ""  # of files that are not UTF-8; "" is found out
    limits: Limits = USUAL


AS_FOUND = Options()


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or those of its documents that begin in [start, stop)."""

    entry: Entry
    start: int = 0  # bytes; row groups of a Parquet file
    stop: int | None = None  # None: to the end


def split(folder: Path, entry: Entry, options: Options = AS_FOUND, size: int = PART) -> Iterator[Part]:
    """Parts of about `size` bytes, in order, that can be read apart; together they give what the whole gives.

    What cannot be cut (HTML, archives, ...) or cannot be opened is one part. A CSV file is gone through once for it.
    """
    starts = [0]
    if entry.size > size:
        file = opened(folder, entry)
        if not isinstance(file, Unreadable):
            with file:
                try:
                    starts += _cuts(file, entry, options, size)
                except (OSError, Refused, *_PARSERS):
                    starts = [0]  # whoever reads it will say so
    for start, stop in zip(starts, [*starts[1:], None], strict=True):
        yield Part(entry, start, stop)


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
    job = _Job(options, Counter() if counts is None else counts, Budget(options.limits, part.entry.size))
    stream = Stream(file, file, part.entry.size)
    source = _Source(name, part.entry.name, stream, part.start, part.stop)
    with file:
        try:
            yield from islice(_read(source, job), start, None)
        except Exhausted as refused:
            yield Unreadable(name, refused.reason)
        except OSError as error:
            yield Unreadable(name, why(error))
        if not unchanged(file, part.entry):
            yield Unreadable(name, CHANGED)


# What the parsers of pyarrow, warcio, zipfile and email raise at bytes that their authors did not think of.
_PARSERS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class _Source:
    """Bytes to be read as the format that `path` says."""

    name: str  # for people
    path: str
    stream: Stream
    start: int = 0
    stop: int | None = None
    depth: int = 0  # archives around it


@dataclass(frozen=True, slots=True)
class _Job:
    """What stays the same for all that is in one file."""

    options: Options
    counts: Counts
    budget: Budget


def _read(source: _Source, job: _Job) -> Iterator[Document | Unreadable]:
    sample = source.stream.peek(SAMPLE) if needs_a_look(source.path) else b""
    format = format_of(source.path, sample, job.options.encoding)
    try:
        if not source.stream.peek(1):
            yield Unreadable(source.name, texts.NOTHING)
        elif format in (Format.KEYS, Format.GENERATED, Format.UNKNOWN):
            yield Unreadable(source.name, not_read(source.path, format))
        elif format in (Format.GZIP, Format.ZSTANDARD, Format.TAR, Format.ZIP):
            yield from _packed(source, format, job)
        else:
            yield from _unpacked(source, format, job)
    except Exhausted:
        raise
    except Refused as refused:
        yield Unreadable(source.name, refused.reason)
    except _PARSERS:
        yield Unreadable(source.name, archives.DAMAGED)


def _packed(source: _Source, format: Format, job: _Job) -> Iterator[Document | Unreadable]:
    """What is in an archive."""
    depth = source.depth + 1
    if depth > job.options.limits.depth:
        raise Refused("an archive within too many others (unpack it yourself)")
    if not source.depth and format is not Format.ZIP:  # whose list of members says what comes out
        job.budget.follow(lambda: source.stream.at)
    match format:
        case Format.GZIP | Format.ZSTANDARD:
            stream = archives.unpacked(source.stream, job.budget, zstandard=format is Format.ZSTANDARD)
            yield from _read(_Source(source.name, inner(source.path), stream, depth=depth), job)
        case Format.TAR:
            yield from _members(archives.tar_members(source.stream, source.name, job.budget), source.name, depth, job)
        case _:
            with archives.seekable(source.stream, job.options.limits.whole) as file:
                yield from _members(archives.zip_members(file, source.name, job.budget), source.name, depth, job)


def _members(
    members: Iterator[archives.Member | Unreadable], label: str, depth: int, job: _Job
) -> Iterator[Document | Unreadable]:
    for member in members:
        if isinstance(member, Unreadable):
            yield member
        else:
            yield from _read(_Source(f"{label}!{shown(member.name)}", member.name, member.stream, depth=depth), job)


def _unpacked(source: _Source, format: Format, job: _Job) -> Iterator[Document | Unreadable]:
    name, stream, options, counts = source.name, source.stream, job.options, job.counts
    match format:
        case Format.MAILBOX:
            yield from mails.mailbox(name, stream, counts, options.encoding, source.start, source.stop)
        case Format.MAIL:
            yield from mails.mail(name, stream.read(mails.MAX_MAIL), counts, options.encoding)
        case Format.CRAWL:
            yield from crawls.pages(name, stream, counts, job.budget)
        case Format.RTF:
            yield from rtf.documents(name, stream)
        case Format.PARQUET | Format.BOOK | Format.PDF | Format.WORD | Format.OPEN_DOCUMENT:
            with archives.seekable(stream, options.limits.whole) as file:
                yield from _held(source, format, file, job)
        case _:
            yield from _text(source, format, job)


def _held(source: _Source, format: Format, file: BinaryIO, job: _Job) -> Iterator[Document | Unreadable]:
    """What can only be read as a whole file."""
    match format:
        case Format.PARQUET:
            yield from columns.rows(source.name, file, job.options.field, job.budget, source.start, source.stop)
        case Format.BOOK:
            yield from books.chapters(source.name, file, job.counts, job.budget)
        case Format.WORD:
            yield from office.word(source.name, file, job.budget)
        case Format.OPEN_DOCUMENT:
            yield from office.open_document(source.name, file, job.budget)
        case _:
            yield from pdfs.documents(source.name, file, job.options.limits)


def _text(source: _Source, format: Format, job: _Job) -> Iterator[Document | Unreadable]:
    """What is characters from its beginning to its end."""
    options, counts = job.options, job.counts
    encoding = detect(source.stream.peek(SAMPLE), options.encoding)
    if encoding is None:
        raise Refused(texts.NOT_TEXT)
    if encoding.wide:
        source.stream.read(encoding.mark)
        source = replace(source, stream=Stream(Narrowed(source.stream, encoding.wide)))
        encoding = replace(encoding, mark=0)
    name, stream, start, stop = source.name, source.stream, source.start, source.stop
    match format:
        case Format.JSON_LINES:
            yield from jsons.lines(name, stream, encoding, options.field, counts, start, stop)
        case Format.JSON:
            yield from jsons.whole(name, stream, encoding, options.field, counts)
        case Format.TABLE:
            layout = tables.layout(stream.peek(SAMPLE), encoding, suffix_of(source.path), options.field)
            yield from tables.rows(name, stream, encoding, layout, counts, start, stop)
        case Format.HTML:
            if not options.encoding:
                encoding = webpages.declared(encoding, stream.peek(SAMPLE))
            page = texts.decoded_blocks(stream, encoding, counts)
            yield from texts.pieces(name, webpages.paragraphs(page))
        case Format.SUBTITLES:
            yield from texts.pieces(name, subtitles.spoken(texts.decoded_blocks(stream, encoding, counts)))
        case _:
            yield from texts.documents(name, kind_of(format), stream, encoding, counts, start, stop)


def _cuts(file: BinaryIO, entry: Entry, options: Options, size: int) -> Iterator[int]:
    """Where a file can be cut. Raises Refused when it cannot be read at all."""
    stream = Stream(file, file, entry.size)
    sample = stream.peek(SAMPLE)
    format = format_of(entry.name, sample, options.encoding)
    if format is Format.PARQUET:
        yield from _spaced(columns.row_groups(file), size)
    if format in BYTES and (format is Format.MAILBOX or _narrow(detect(sample, options.encoding))):
        if format is Format.TABLE:
            at = 0
            for offset, _ in tables.blocks(stream):
                if offset >= at + size:
                    yield (at := offset)
        else:
            yield from range(step := max(1, size // texts.BLOCK) * texts.BLOCK, entry.size, step)


def _narrow(encoding: Encoding | None) -> bool:
    """Is each newline a byte?"""
    return encoding is not None and not encoding.wide


def _spaced(groups: list[int], size: int) -> Iterator[int]:
    """The row groups with which a part begins, but for the first."""
    held = 0
    for number, weight in enumerate(groups):
        if held >= size:
            yield number
            held = 0
        held += weight
