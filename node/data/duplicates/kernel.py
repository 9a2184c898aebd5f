"""The loop over characters that makes sketches, compiled by numba: 5-grams of words to one-permutation minima.

Every shingle's hash falls into one of BINS bins, which keeps the least (one-permutation hashing: one hash instead of
one per row). Five bins make a row, six rows a band; a row without shingles borrows from another (optimal
densification, Shrivastava 2017), so that short texts have bands as well.

Compiling takes seconds, once a PC: numba keeps the result beside this file, or in the user's cache where the
installation is read-only; where neither can be written, each process compiles. Imported only when sketches are made:
numba takes half a second and 60 MB.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from node.data.duplicates.alphabet import ALONE, CLASS, LETTER, SPACE
from node.data.duplicates.sizes import BANDS, BINS, PER_ROW, ROWS, WORDS

_BLOCK = 4096  # characters whose words are held at a time
_KEPT = WORDS - 1
_ZERO, _ONE = np.uint64(0), np.uint64(1)
_EMPTY = np.uint32(0xFFFFFFFF)
_SEED = np.uint64(0xCBF29CE484222325)  # FNV-1a's
_PRIME = np.uint64(0x100000001B3)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_S32, _S29, _LOW = np.uint64(32), np.uint64(29), np.uint64(0xFFFFFFFF)
_CODE, _KIND, _CLASSES = np.uint32((1 << CLASS) - 1), np.uint32(CLASS), np.uint32(3)


def _compiled(function: Callable[..., Any]) -> Any:
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # nowhere to keep it
        return numba.njit(nogil=True)(function)


@_compiled
def sketch(codes: Any, begins: Any, ends: Any, table: Any, squeezed: Any, stops: Any, bands: Any, bins: Any) -> None:
    """Fill `squeezed`, `stops`, `bands` and `bins` for the documents codes[begins[i]:ends[i]], a blank behind each.

    `codes` and `squeezed` are code points (uint8 or uint32), `table` says what they are. `squeezed` will hold each
    text, folded, from begins[i] to stops[i], runs of white space as one blank.
    """
    minima = np.empty(BINS, np.uint32)
    held = np.empty(_KEPT + _BLOCK + 1, np.uint64)  # the last words of the block before, then this one's
    for document in range(len(begins)):
        minima[:] = _EMPTY
        begin, end = begins[document], ends[document] + 1  # with the blank, which ends the last word
        state = (np.uint64(begin), _ONE, _SEED, _ZERO, _ZERO)
        shingles = False
        for block in range(begin, end, _BLOCK):
            state = _words(codes[block : min(block + _BLOCK, end)], table, squeezed, held, state)
            many = np.int64(state[4])
            if many > _KEPT:
                shingles = True
                _shingles(held[:many], minima)
                held[:_KEPT] = held[many - _KEPT : many]
                state = (state[0], state[1], state[2], state[3], np.uint64(_KEPT))
        stops[document] = max(begin, np.int64(state[0]) - 1)  # without that blank
        if shingles:
            _summarise(minima, bands[document], bins[document])


@_compiled
def _words(codes: Any, table: Any, squeezed: Any, held: Any, state: Any) -> Any:
    """Characters to hashes of words. No branch depends on the text, but for scripts without blanks: guessing wrong at
    the end of each word would cost more than the work. All counts are unsigned: numba then asks nothing of them."""
    out, after_space, word, inside, many = state
    for code_ in codes:
        entry = table[code_]
        code, kind = entry & _CODE, entry >> _KIND & _CLASSES
        space, letter = np.uint64(kind == SPACE), np.uint64(kind == LETTER)
        squeezed[out] = code
        out += _ONE - (space & after_space)
        after_space = space
        longer = (word ^ np.uint64(code)) * _PRIME
        held[many] = word
        many += inside & (_ONE - letter)
        word = longer if letter else _SEED
        inside = letter
        if kind == ALONE:
            held[many] = (_SEED ^ np.uint64(code)) * _PRIME
            many += _ONE
    return out, after_space, word, inside, many


@_compiled
def _shingles(words: Any, minima: Any) -> None:
    """Every WORDS words in a row to one hash, and that to the least of its bin."""
    for first in range(len(words) - _KEPT):
        mixed = words[first]
        for step in range(1, WORDS):
            mixed = mixed * _BASE + words[first + step]
        mixed ^= mixed >> _S32
        mixed *= _MIX1
        mixed ^= mixed >> _S29
        mixed *= _MIX2
        mixed ^= mixed >> _S32
        place = ((mixed >> _S32) * np.uint64(BINS)) >> _S32
        minima[place] = min(minima[place], np.uint32(mixed & _LOW))


@_compiled
def _summarise(minima: Any, bands: Any, bins: Any) -> None:
    """The minima of one document as bytes (0: none) and as keys."""
    rows = np.empty(BANDS * ROWS, np.uint32)
    for place in range(BINS):
        byte = np.uint8(minima[place] % np.uint32(255)) + np.uint8(1)
        bins[place] = byte if minima[place] != _EMPTY else 0
    for row in range(BANDS * ROWS):
        least = _EMPTY
        for step in range(PER_ROW):
            least = min(least, minima[row * PER_ROW + step])
        rows[row] = least
    for band in range(BANDS):
        key = np.uint64(band + 1) * _MIX2
        for row in range(band * ROWS, (band + 1) * ROWS):
            lender, attempt = np.int64(row), 0
            while rows[lender] == _EMPTY:
                attempt += 1
                drawn = (np.uint64(row * 65536 + attempt) * _BASE) >> _S32
                lender = np.int64((drawn * np.uint64(BANDS * ROWS)) >> _S32)
            key = (key ^ np.uint64(rows[lender])) * _MIX1
            key ^= key >> _S32
        bands[band] = np.uint32(key & _LOW)
