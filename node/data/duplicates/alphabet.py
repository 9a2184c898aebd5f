"""What each character is to a reader of words: white space, a letter, a word by itself, or something in between."""

from __future__ import annotations

import sys
import unicodedata
from functools import cache
from typing import Any

import numpy as np

SPACE, BETWEEN, LETTER, ALONE = range(4)

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
    (0xAA60, 0xAADF),  # Myanmar and Tai Viet
    (0xF900, 0xFAFF),
    (0x1AFF0, 0x1B16F),  # more kana
    (0x20000, 0x3FFFF),  # more ideographs
)
_LETTERS = ("L", "M", "N")  # the Unicode categories that words are made of


@cache
def classes() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8[0x110000]: the class of every code point. Punctuation, symbols and pictures are BETWEEN."""
    table = np.full(sys.maxunicode + 1, BETWEEN, np.uint8)
    for low, high in ((0, 0x323B0), (0xE0100, 0xE01F0)):  # nothing is assigned elsewhere but private use
        category = unicodedata.category
        table[low:high] = [LETTER if category(chr(code))[0] in _LETTERS else BETWEEN for code in range(low, high)]
    for low, high in _WITHOUT_BLANKS:
        part = table[low : high + 1]
        part[part == LETTER] = ALONE
    table[ord("_")] = LETTER
    table[[code for code in range(0x3001) if chr(code).isspace()]] = SPACE
    return table
