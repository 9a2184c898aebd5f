"""Whether the write-ahead log of a closed database is whole. SQLite itself says nothing: it ends at the first damage.

A torn end is ordinary: the last transaction was being written when the power went, and nobody was told that it was
safe. Whole transactions behind a damage are not: they were safe, and opening the database would forget them.
(The format: https://www.sqlite.org/fileformat2.html#walformat)
"""

from __future__ import annotations

import struct
from pathlib import Path

HEADER, FRAME = 32, 24  # bytes of the file's header and of each page's
PAGE = 4096  # bytes; what SQLite makes here, for when the header cannot tell
MAGIC = 0x377F0682  # the lowest bit says in which order the words of a checksum are read
Sums = tuple[int, int]


def cut_off(log: Path) -> int:
    """How many transactions lie behind a damage in this log; 0 for one that is whole, torn at its end, or absent."""
    data = log.read_bytes() if log.exists() else b""
    if len(data) < HEADER:
        return 0
    magic, _, page, _ = struct.unpack(">4I", data[:16])
    if magic & ~1 != MAGIC or not 512 <= page <= 65536:
        return _commits(data, HEADER, PAGE, None)
    order = ">" if magic & 1 else "<"
    salts, sums = data[16:24], _sums(data[:24], (0, 0), order)
    if sums != struct.unpack(">2I", data[24:32]):
        return _commits(data, HEADER, page, None)
    for at in range(HEADER, len(data) - FRAME - page + 1, FRAME + page):
        frame = data[at : at + FRAME]
        if frame[8:16] != salts:
            return max(0, _commits(data, at, page, salts) - 1)
        sums = _sums(data[at + FRAME : at + FRAME + page], _sums(frame[:8], sums, order), order)
        if sums != struct.unpack(">2I", frame[16:24]):
            return max(0, _commits(data, at, page, salts) - 1)  # the last one may be the torn one
    return 0


def _commits(data: bytes, start: int, page: int, salts: bytes | None) -> int:
    """How many frames from `start` on end a transaction of this log; with `None`, of whichever log wrote the last."""
    found = 0
    for at in range(start, len(data) - FRAME - page + 1, FRAME + page):
        if (salts is None or data[at + 8 : at + 16] == salts) and data[at + 4 : at + 8] != b"\0\0\0\0":
            found += 1
    return found


def _sums(data: bytes, sums: Sums, order: str) -> Sums:
    """SQLite's checksum, carried on from `sums`."""
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
