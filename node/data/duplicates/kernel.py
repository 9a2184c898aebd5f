"""The loop over bytes that makes sketches, compiled by numba: 5-grams of words to one-permutation minima.

Every shingle's hash falls into one of BINS bins, which keeps the least (one-permutation hashing: one hash instead of
one per row). Five bins make a row, six rows a band; a row without shingles borrows from another (optimal
densification, Shrivastava 2017), so that short texts have bands as well.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from node.data.duplicates.alphabet import ALONE, LETTER, SPACE
from node.data.duplicates.sizes import BANDS, BINS, PER_ROW, ROWS, WORDS

_EMPTY = np.uint32(0xFFFFFFFF)
_SEED = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_BASE = 0x9E3779B97F4A7C15
_ROLL, _LEAVE = np.uint64(_BASE), np.uint64(pow(_BASE, WORDS, 1 << 64))
_MIX1, _MIX2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_S32, _S29 = np.uint64(32), np.uint64(29)


def _sketch(
    data: Any, offsets: Any, classes: Any, squeezed: Any, ends: Any, bands: Any, bins: Any
) -> None:  # pragma: no cover  (compiled)
    """Fill `squeezed`, `ends`, `bands` and `bins` for the documents data[offsets[i]:offsets[i + 1]] (UTF-8, folded).

    `squeezed` holds each text from offsets[i] to ends[i] with runs of white space as one blank; ASCII is folded here.
    """
    minima = np.empty(BINS, np.uint32)
    rows = np.empty(BANDS * ROWS, np.uint32)
    recent = np.zeros(WORDS, np.uint64)
    for document in range(len(offsets) - 1):
        minima[:] = _EMPTY
        recent[:] = np.uint64(0)
        begin, end = offsets[document], offsets[document + 1]
        out, at, seen = begin, begin, 0
        gap, inside = False, False
        word, rolled = _SEED, np.uint64(0)
        while at <= end:
            # One character; after the last one a blank, so that the last word ends.
            size = 1
            if at == end:
                code = np.uint32(32)
            else:
                first = data[at]
                if first < 0x80:
                    code = np.uint32(first + 32 if 65 <= first <= 90 else first)
                elif first < 0xE0:
                    size = 2
                    code = np.uint32((first & 0x1F) << 6 | (data[at + 1] & 0x3F))
                elif first < 0xF0:
                    size = 3
                    code = np.uint32((first & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | (data[at + 2] & 0x3F))
                else:
                    size = 4
                    code = np.uint32(
                        (first & 0x07) << 18
                        | (data[at + 1] & 0x3F) << 12
                        | (data[at + 2] & 0x3F) << 6
                        | (data[at + 3] & 0x3F)
                    )
            kind = classes[code]
            if kind == SPACE:
                gap = True
            else:
                if gap and out > begin:
                    squeezed[out] = 32
                    out += 1
                gap = False
                if size == 1:
                    squeezed[out] = code
                else:
                    for step in range(size):
                        squeezed[out + step] = data[at + step]
                out += size
            at += size
            if kind == LETTER:
                word = (word ^ np.uint64(code)) * _PRIME
                inside = True
                continue
            # A word ends here, or stands here by itself, or both.
            for turn in range(2):
                if turn == 0:
                    if not inside:
                        continue
                    whole = word
                    word, inside = _SEED, False
                else:
                    if kind != ALONE:
                        continue
                    whole = (_SEED ^ np.uint64(code)) * _PRIME
                slot = seen % WORDS
                rolled = rolled * _ROLL + whole - recent[slot] * _LEAVE
                recent[slot] = whole
                seen += 1
                if seen >= WORDS:
                    mixed = rolled
                    mixed ^= mixed >> _S32
                    mixed *= _MIX1
                    mixed ^= mixed >> _S29
                    mixed *= _MIX2
                    mixed ^= mixed >> _S32
                    bin_ = ((mixed >> _S32) * np.uint64(BINS)) >> _S32
                    value = np.uint32(mixed & np.uint64(0xFFFFFFFF))
                    if value < minima[bin_]:
                        minima[bin_] = value
        ends[document] = out
        if seen < WORDS:
            continue
        for number in range(BINS):
            if minima[number] != _EMPTY:
                bins[document, number] = np.uint8(minima[number] % np.uint32(255)) + np.uint8(1)
        for row in range(BANDS * ROWS):
            least = _EMPTY
            for number in range(row * PER_ROW, (row + 1) * PER_ROW):
                least = min(least, minima[number])
            rows[row] = least
        for band in range(BANDS):
            key = np.uint64(band + 1) * _MIX2
            for row in range(band * ROWS, (band + 1) * ROWS):
                lender, attempt = np.int64(row), 0
                while rows[lender] == _EMPTY:
                    attempt += 1
                    drawn = (np.uint64(row * 65536 + attempt) * _ROLL) >> _S32
                    lender = np.int64((drawn * np.uint64(BANDS * ROWS)) >> _S32)
                key = (key ^ np.uint64(rows[lender])) * _MIX1
                key ^= key >> _S32
            bands[document, band] = np.uint32(key & np.uint64(0xFFFFFFFF))


@cache
def sketch() -> Any:
    """The compiled loop. Compiling takes seconds, once a PC: numba keeps the result beside this file, or in the
    user's cache where the installation is read-only; where neither can be written, each process compiles."""
    import numba

    try:
        return numba.njit(cache=True, nogil=True)(_sketch)
    except RuntimeError:  # nowhere to keep it
        return numba.njit(nogil=True)(_sketch)
