"""Words of a list found in a text in one pass: better-profanity's list, or the owner's own.

better-profanity's own matching goes at 0.007 MB/s, since it compares each word with each variant of each entry. Here
plain words are looked up in a set, and only words with a digit or sign in them ("sh1t", "b@d") are read as the letters
they may stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice, product

SIGNS = "@$*"
_WORD = re.compile(r"\w+|\0")
_PARTING = {code: " " for code in range(1, 128) if not (chr(code).isalnum() or chr(code) == "_")}
_SIGNED = re.compile(r"[\w@$*]*")
_LONGEST = 20  # characters of a word in disguise
_LETTERS = {"0": "0o", "1": "1il", "3": "3e", "4": "4a", "5": "5s", "7": "7t", "@": "ao", "$": "s", "*": "aioue"}
_READINGS = 256


class WordList:
    """Words and phrases, in any case."""

    def __init__(self, entries: Iterable[str]) -> None:
        parted = [tuple(words_of(entry.lower())) for entry in entries]
        self._words = frozenset(entry[0] for entry in parted if len(entry) == 1)
        self._phrases: dict[str, list[tuple[str, ...]]] = {}  # by their longest word; not "s h i t", letter by letter
        for entry in parted:
            if len(entry) > 1 and len(longest := max(entry, key=len)) > 1:
                self._phrases.setdefault(longest, []).append(entry)
        self._telling = self._words | self._phrases.keys()

    def places(self, texts: Sequence[str], lower: str, words: Sequence[str]) -> list[int]:
        """Which of `texts` hold an entry; `lower` is all of them joined by NULs, `words` its words."""
        if not self._telling:
            return []
        if any(map(self._read, _disguised(lower, words))):
            candidates = set(range(len(texts)))
        elif self._telling.isdisjoint(words):
            return []
        else:
            text = 0
            candidates = set()
            for word in words:
                text += word == "\0"
                if word in self._telling:
                    candidates.add(text)
        return [text for text in sorted(candidates) if self.found(texts[text])]

    def found(self, text: str) -> list[str]:
        """The entries that stand in `text`; plain ones as often as they do."""
        lower = text.lower()
        words = words_of(lower)
        found = [word for word in words if word in self._words]
        for place, word in enumerate(words):
            for phrase in self._phrases.get(word, ()):
                start = place - phrase.index(word)
                if start >= 0 and tuple(words[start : start + len(phrase)]) == phrase:
                    found.append(" ".join(phrase))
        return found + [entry for word in _disguised(lower, words) if (entry := self._read(word))]

    def _read(self, word: str) -> str | None:
        """The entry that a word with digits or signs stands for; a plain entry such as "sh1t" was found before."""
        if word in self._words or not all(letter.isalpha() or letter in _LETTERS for letter in word):
            return None
        letters = (_LETTERS.get(character, character) for character in word)
        readings = map("".join, islice(product(*letters), _READINGS))
        return next((reading for reading in readings if reading in self._words), None)


def words_of(lower: str) -> list[str]:
    """Letters, digits and underscores in a row; a NUL is a word of its own (what parts texts)."""
    if lower.isascii():  # twice as fast as the pattern
        return lower.replace("\0", " \0 ").translate(_PARTING).split()
    return _WORD.findall(lower)


def _disguised(lower: str, words: Iterable[str]) -> list[str]:
    """Words with a digit or sign among their letters, sorted."""
    found = {word for word in set(words) if not word.isalpha()}
    for sign in SIGNS:
        place = lower.find(sign)
        while place >= 0:
            end = place + 1
            if lower[place - 1 : place].isalpha() or lower[end : end + 1].isalpha():
                before = _SIGNED.match(lower[max(0, place - _LONGEST) : place][::-1])
                after = _SIGNED.match(lower, place)
                assert before
                assert after
                found.add((before[0][::-1] + after[0]).strip("*"))
                end = after.end()
            place = lower.find(sign, end)
    return sorted(word for word in found if len(word) <= _LONGEST and not word.isalpha() and _any_letter(word))


def _any_letter(word: str) -> bool:
    return word.lower() != word.upper()


@cache
def built_in() -> WordList:
    """The list inside better-profanity: English, and with words that insult nobody ("god", "gay", "kill")."""
    from better_profanity.utils import get_complete_path_of_file, read_wordlist

    return WordList(read_wordlist(get_complete_path_of_file("profanity_wordlist.txt")))
