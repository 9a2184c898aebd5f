"""Files that are one record after the other: a record belongs to the part in which it begins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from node.data.reading.streams import CHUNK, Stream

MAX_RECORD = 16 << 20  # bytes
LINE = re.compile(rb"\n")
_OVERLAP = 256  # bytes, longer than any separator with what it looks ahead to


@dataclass(frozen=True, slots=True)
class Record:
    offset: int  # bytes from the beginning of the file
    data: bytes  # without what separates it from the next only where that is stripped by its reader
    whole: bool  # False: only its first `most` bytes are here


def records(
    stream: Stream, separator: re.Pattern[bytes], start: int = 0, stop: int | None = None, most: int = MAX_RECORD
) -> Iterator[Record]:
    """The records that begin at `start` or later and before `stop`; each ends after a separator."""
    held = b""
    at = 0  # of `held` in the file
    if start:
        at = max(0, start - _OVERLAP)
        stream.seek(at)
        while True:
            held += (more := stream.read(CHUNK))
            first = next((match.end() for match in separator.finditer(held) if at + match.end() >= start), None)
            if first is not None:
                at, held = at + first, held[first:]
                break
            if not more:
                return
            at, held = at + len(held) - _OVERLAP, held[-_OVERLAP:]
    searched = 0
    while stop is None or at < stop:
        begin = 0
        while match := separator.search(held, searched):
            end = min(match.end(), begin + most)
            yield Record(at + begin, held[begin:end], whole=end == match.end())
            begin = searched = match.end()
            if stop is not None and at + begin >= stop:
                return
        at, held = at + begin, held[begin:]
        searched = max(0, len(held) - _OVERLAP)
        if len(held) > most:
            beginning = Record(at, held[:most], whole=False)
            at, held = _next(stream, separator, at, held)
            searched = 0
            yield beginning
            if not held and not stream.peek(1):
                return
            continue
        more = stream.read(CHUNK)
        if not more:
            if held:
                yield Record(at, held, whole=True)
            return
        held += more


def _next(stream: Stream, separator: re.Pattern[bytes], at: int, held: bytes) -> tuple[int, bytes]:
    """Skip to the next record: where it begins, and what of it was read."""
    while True:
        at, held = at + max(0, len(held) - _OVERLAP), held[-_OVERLAP:]
        more = stream.read(CHUNK)
        held += more
        if match := separator.search(held):
            return at + match.end(), held[match.end() :]
        if not more:
            return at + len(held), b""
