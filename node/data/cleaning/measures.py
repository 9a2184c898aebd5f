"""What the rules of quality ask of a text; each measured once, when it is first asked for.

Where words are not parted by spaces (Chinese, Japanese, Thai, ...) two characters count as a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from node.data.document import Document

Numbers = NDArray[np.int64]

_ODD_NUMBER = np.int64(0x1E3779B97F4A7C15)  # products wrap around
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_ENCODED = re.compile(r"[A-Za-z0-9+/=_-]{100,}\Z")
_ENDS = re.compile(r"[.!?。！？]+(?:\s|\Z|(?<=[。！？]))")
_BULLETS = ("-", "*", "•", "‣", "▪", "●", "◦", "–")
_TOP = {2: 0.20, 3: 0.18, 4: 0.16}
_DUPLICATE = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


class Measures:
    """Lazy measures of one document; shares are between 0 and 1."""

    def __init__(self, document: Document) -> None:
        self.document = document

    @cached_property
    def text(self) -> str:
        messages = self.document.messages
        return (
            "\n".join([self.document.text, *(message.content for message in messages)])
            if messages
            else self.document.text
        )

    @cached_property
    def undecoded(self) -> float:
        return 0.0 if self.text.isascii() else self.text.count("\ufffd") / len(self.text)

    @cached_property
    def words(self) -> list[str]:
        return self.text.split()

    @cached_property
    def encoded(self) -> float:
        """The share of characters in unbroken rows of a hundred and more, such as base64."""
        if not _maybe_long_word(self.text):
            return 0.0
        return sum(len(word) for word in self.words if _ENCODED.match(word)) / len(self.text)

    @cached_property
    def any_letter(self) -> bool:
        return any(map(str.isalpha, self.text))

    @cached_property
    def spaced(self) -> bool:
        """Whether spaces part the words of this text."""
        sample = self.text[:4000]
        return sample.isascii() or len(_UNSPACED.findall(sample)) < 0.3 * len(sample)

    @cached_property
    def word_count(self) -> int:
        return len(self.words) if self.spaced else sum(map(len, self.words)) // 2

    @cached_property
    def mean_word_length(self) -> float:
        return sum(map(len, self.words)) / max(1, len(self.words))

    @cached_property
    def words_with_letter(self) -> float:
        having = sum(word[0].isalpha() or word[-1].isalpha() or any(map(str.isalpha, word)) for word in self.words)
        return having / max(1, len(self.words))

    @cached_property
    def symbols(self) -> int:
        return self.text.count("#") + self.text.count("...") + self.text.count("…")

    @cached_property
    def lines(self) -> list[str]:
        return [stripped for line in self.text.split("\n") if (stripped := line.strip())]

    @cached_property
    def few_lines_again(self) -> bool:
        """Whether fifty lines and more are mostly the same few."""
        if self.text.count("\n") < 49:
            return False
        return sum(map(len, set(self.text.split("\n")))) < 0.2 * len(self.text)

    @cached_property
    def paragraphs(self) -> list[str]:
        return [stripped for block in self.text.split("\n\n") if (stripped := block.strip())]

    @cached_property
    def bullet_lines(self) -> float:
        return sum(line.startswith(_BULLETS) for line in self.lines) / max(1, len(self.lines))

    @cached_property
    def ellipsis_lines(self) -> float:
        return sum(line.endswith(("...", "…")) for line in self.lines) / max(1, len(self.lines))

    @cached_property
    def duplicate_lines(self) -> float:
        return _repeated(self.lines)

    @cached_property
    def duplicate_paragraphs(self) -> float:
        return _repeated(self.paragraphs)

    @cached_property
    def duplicate_line_characters(self) -> float:
        return _repeated_characters(self.lines)

    @cached_property
    def duplicate_paragraph_characters(self) -> float:
        return _repeated_characters(self.paragraphs)

    @cached_property
    def sentences(self) -> int:
        return len(_ENDS.findall(self.text))

    @cached_property
    def _units(self) -> list[str]:
        """What n-grams are made of: words, or characters where no spaces part words."""
        return self.words if self.spaced else list("".join(self.words))

    @cached_property
    def _lengths(self) -> Numbers:
        return np.fromiter(map(len, self._units), np.int64, len(self._units))

    @cached_property
    def _numbered(self) -> Numbers:
        """A number for each unit, the same for the same unit."""
        known: dict[str, int] = {}
        return np.array([known.setdefault(unit, len(known) + 1) for unit in self._units], np.int64)

    def breaks_top_ngrams(self) -> bool:
        """Whether the most frequent 2-, 3- or 4-gram holds more than its share of the characters."""
        for n, most in _TOP.items():
            wide = n if self.spaced else 2 * n
            grams = _ngrams(self._numbered, wide)
            if not len(grams):
                return False
            found, times = np.unique(grams, return_counts=True)
            top = times.argmax()
            place = int(np.argmax(grams == found[top]))
            characters = times[top] * self._lengths[place : place + wide].sum()
            if times[top] > 1 and characters > most * self._lengths.sum():
                return True
        return False

    def breaks_duplicate_ngrams(self) -> bool:
        """Whether n-grams seen before cover more than their share of the characters, for an n from 5 to 10.

        What repeated 10-grams cover, repeated 5-grams cover too: below the least share no longer one is measured.
        """
        total = self._lengths.sum()
        least = min(_DUPLICATE.values())
        for n, most in _DUPLICATE.items():
            covered = self._covered(n if self.spaced else 2 * n)
            if covered > most * total:
                return True
            if covered <= least * total:
                return False
        return False

    def _covered(self, n: int) -> int:
        """Characters inside n-grams that stood earlier in the text."""
        grams = _ngrams(self._numbered, n)
        again = np.ones(len(grams), np.int64)
        again[np.unique(grams, return_index=True)[1]] = 0
        inside = np.convolve(again, np.ones(n, np.int64)) > 0 if len(grams) else np.zeros(len(self._lengths), bool)
        return int(self._lengths[inside].sum())


def _maybe_long_word(text: str) -> bool:
    """False where no word has a hundred characters: such a word would reach over a place that is looked at here."""
    for place in range(0, len(text), 100):
        before = text.rfind(" ", max(0, place - 100), place)
        after = text.find(" ", place, place + 100)
        if after < 0 or after - before > 100:
            return max(map(len, text.split())) >= 100 if not text.isspace() else False
    return False


def _ngrams(numbered: Numbers, n: int) -> Numbers:
    """A 64-bit hash of each n numbers in a row."""
    count = max(0, len(numbered) - n + 1)
    hashes = np.zeros(count, np.int64)
    for place in range(n):
        hashes = hashes * _ODD_NUMBER + numbered[place : place + count]
    return hashes


def _repeated(pieces: Sequence[str]) -> float:
    return 1 - len(set(pieces)) / len(pieces) if pieces else 0.0


def _repeated_characters(pieces: Sequence[str]) -> float:
    total = sum(map(len, pieces))
    return 1 - sum(map(len, set(pieces))) / total if total else 0.0
