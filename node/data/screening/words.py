"""The words of many documents as numbers: hashed all at once, since one word at a time would be too slow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]

PIECE = 1 << 11  # bytes, some 350 words: in longer ones every common word would stand, and say nothing
_LONGEST = 1 << 19  # bytes hashed at once

# A polynomial over the bytes modulo 2**64: the sum over a word is a difference of two running sums, divided by the
# power at which the word begins (the base is odd, so it has an inverse).
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_A, _B, _C = (np.uint64(odd) for odd in (0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5))


@dataclass(frozen=True, slots=True)
class Words:
    """Each array has one entry a word."""

    hashes: Hashes
    piece: Numbers  # in which of the texts
    line: Numbers  # grows by one at each line end
    start: Numbers  # where the word begins and ends, in bytes from the first text on
    end: Numbers


def words(texts: list[bytes]) -> Words:
    """The words of UTF-8 texts, without regard to ASCII capitals; at most 512 KiB in all."""
    joined = np.frombuffer(b"\n".join(texts), np.uint8)
    assert len(joined) <= _LONGEST
    letters = _LETTERS[joined]
    inside = letters != 0
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    running = np.zeros(len(joined) + 1, np.uint64)
    np.cumsum(letters * _powers(_BASE)[: len(joined)], out=running[1:])
    hashes = (running[ends] - running[starts]) * _powers(_INVERSE)[starts]
    beginnings = np.cumsum([0, *(len(text) + 1 for text in texts)])
    piece = np.searchsorted(beginnings, starts, side="right") - 1
    line = np.cumsum(joined == ord("\n"))[starts] if len(joined) else np.zeros(0, np.int64)
    return Words(mixed(hashes), piece, line, starts, ends)


def triples(found: Words) -> tuple[Hashes, NDArray[np.bool_]]:
    """A hash of each three words in a row, and whether the three stand in one text."""
    if len(found.hashes) < 3:
        return np.zeros(0, np.uint64), np.zeros(0, bool)
    h = found.hashes
    return mixed(h[:-2] * _A + h[1:-1] * _B + h[2:] * _C), found.piece[:-2] == found.piece[2:]


def mixed(hashes: Hashes) -> Hashes:
    """Hashes whose upper bits depend on all bits (the finaliser of MurmurHash3)."""
    hashes = hashes ^ (hashes >> np.uint64(33))
    hashes = hashes * np.uint64(0xFF51AFD7ED558CCD)
    return hashes ^ (hashes >> np.uint64(33))


def _letters() -> Hashes:
    """A random number for each byte of a word, the same for capitals; 0 for what parts words."""
    table = np.random.default_rng(1).integers(1, 1 << 63, 256, np.uint64)
    for byte in range(128):
        if not chr(byte).isalnum():
            table[byte] = 0
    for capital in range(ord("A"), ord("Z") + 1):
        table[capital] = table[capital + 32]
    return table


_LETTERS = _letters()


@cache
def _powers(base: int) -> Hashes:
    """1, base, base**2, ... modulo 2**64."""
    table = np.full(_LONGEST, base, np.uint64)
    table[0] = 1
    return np.cumprod(table)
