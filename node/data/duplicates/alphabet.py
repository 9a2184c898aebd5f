"""What each character is to a reader of words: white space, a letter, a word by itself, or something in between.

A table has one uint32 for each code point: the folded code point (NFKC, case folded, white space as a blank), its class
from bit CLASS on, and HARD where one character is not enough to know: those texts are folded by Python first.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache
from typing import Any

import numpy as np

Table = np.ndarray[Any, np.dtype[np.uint32]]

BETWEEN, SPACE, LETTER, ALONE = range(4)  # punctuation, symbols and pictures are BETWEEN
CLASS = 24
HARD = 1 << 31

# Scripts that put no blanks between words: there each character counts as a word. Korean has blanks.
_WITHOUT_BLANKS = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x1AAF),  # Tai Le, New Tai Lue, Buginese, Tai Tham
    (0x2E80, 0x312F),  # radicals, kana, bopomofo
    (0x31A0, 0x31FF),
    (0x3400, 0x9FFF),  # ideographs
    (0xA000, 0xA4CF),  # Yi
    (0xAA60, 0xAADF),  # Myanmar, Tai Viet
    (0xF900, 0xFAFF),  # more ideographs
    (0x1AFF0, 0x1B16F),  # more kana
    (0x20000, 0x3FFFF),  # more ideographs
)
# Letters that are what they are, by the ten thousand: not asked one by one.
_PLAIN = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xAC00, 0xD7A4), (0x20000, 0x2F800), (0x30000, 0x323B0))
_ASSIGNED = ((0, 0x3400), (0x4DC0, 0x4E00), (0xA000, 0xAC00), (0xD7A4, 0x20000), (0x2F800, 0x2FA20), (0xE0100, 0xE01F0))


@cache
def ascii_table() -> Table:
    """uint32[128]"""
    return np.array([_entry(code) for code in range(128)], np.uint32)


@cache
def table() -> Table:
    """uint32[0x110000]; made in a fifth of a second, when the first character beyond ASCII is met."""
    found = np.arange(sys.maxunicode + 1, dtype=np.uint32)  # BETWEEN: nothing is assigned there but private use
    for low, high in _PLAIN:
        found[low:high] |= LETTER << CLASS
    for low, high in _ASSIGNED:
        found[low:high] = [_entry(code) for code in range(low, high)]
    for low, high in _WITHOUT_BLANKS:
        part = found[low : high + 1]
        part += (part >> CLASS & 3 == LETTER).astype(np.uint32) << np.uint32(CLASS)
    # What is folded into another character is of that one's class.
    codes = found & ((1 << CLASS) - 1)
    (moved,) = np.nonzero((codes != np.arange(len(codes), dtype=np.uint32)) & (found >> CLASS & 3 != SPACE))
    found[moved] = found[codes[moved]]
    return found


@cache
def hard() -> np.ndarray[Any, np.dtype[np.bool_]]:
    """bool[0x110000]: whether one character is not enough to know."""
    return table() >= HARD


def _entry(code: int) -> int:
    character = chr(code)
    if character.isspace():
        return ord(" ") | SPACE << CLASS
    folded = unicodedata.normalize("NFKC", character).casefold()
    category = unicodedata.category(character)[0]
    kind = LETTER if category in "LMN" or character == "_" else BETWEEN
    melts = unicodedata.category(folded[0])[0] == "M" or "\u1100" <= folded[0] < "\u1200"  # into its neighbours
    if len(folded) > 1 or melts:
        return code | kind << CLASS | HARD
    return ord(folded) | kind << CLASS
