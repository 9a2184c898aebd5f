"""The owner's own list: names, streets, anything. Found whatever the case and the accents, as whole words.

A line with a number or a word for a street in it is an address, every other a name; `name:` or `address:` before it
decides. What is written without blanks between words (山田太郎) is found anywhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from node.data.privacy.kinds import Hit, Kind
from shared.errors import OwnerMustAct

Phrase = tuple[tuple[str, ...], Kind]  # its words, folded

_MOST_WORDS = 100_000
_FEW = 40  # phrases: so many are looked for one by one, more by taking the text apart
_ACCENT = re.compile("[\u0300-\u036f]+")
_NO_BLANKS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"  # scripts without them
_WORD = re.compile(rf"(?:[^\W_{_NO_BLANKS}]|[\u0300-\u036f])+")
_APART = re.compile(r"[\s\W_]{1,4}")
_UNSPACED = re.compile(f"[{_NO_BLANKS}]")
_STREET = re.compile(
    r"\d|str(?:aße|asse|\.)?\b|\b(?:street|road|avenue|lane|drive|square|rue|place|chemin|impasse|calle|avenida|plaza|paseo"
    r"|ulica|ul\.|aleja|via|viale|piazza|weg|gasse|platz|allee)\b|(?:weg|gasse|platz|allee|straat|laan)\b|[丁番地号町市区県]",
    re.IGNORECASE,
)
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa"})


def read_words(path: Path) -> tuple[str, ...]:
    """One a line; empty lines and lines that begin with # are left out. Raises OwnerMustAct."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise OwnerMustAct(f"The list of words to blank, {path}, cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise OwnerMustAct(f"The list of words to blank, {path}, is not UTF-8. Save it as UTF-8.") from error
    words = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    OwnWords(words)
    return words


class OwnWords:
    """Finds what is on the list."""

    def __init__(self, words: Iterable[str]) -> None:
        """Raises OwnerMustAct if something on it is too short to look for."""
        self._by_longest: dict[str, list[Phrase]] = defaultdict(list)
        self._unspaced: list[tuple[str, re.Pattern[str], Kind]] = []
        for number, line in enumerate(dict.fromkeys(words)):
            if number >= _MOST_WORDS:
                raise OwnerMustAct(f"The list of words to blank has more than {_MOST_WORDS:,} lines. Shorten it.")
            self._add(line)

    def _add(self, line: str) -> None:
        words, kind = _kind_of(line)
        if sum(map(str.isalnum, words)) < 2:
            raise OwnerMustAct(
                f'"{line}" is too short to be blanked wherever it stands. Take it off the list of words.'
            )
        if _UNSPACED.search(words):
            parts = unicodedata.normalize("NFKC", words).split()
            pattern = r"\s?".join(map(re.escape, parts))
            self._unspaced.append((parts[0], re.compile(pattern, re.IGNORECASE), kind))
            return
        for spelling in {words, words.casefold().translate(_UMLAUTS)}:
            phrase = tuple(fold(word) for word in _WORD.findall(spelling))
            self._by_longest[max(phrase, key=len)].append((phrase, kind))

    def __call__(self, text: str) -> Iterator[Hit]:
        """Of a plain text."""
        for first, pattern, kind in self._unspaced:
            if first in text:
                yield from (Hit(found.start(), found.end(), kind) for found in pattern.finditer(text))
        by_first = self._to_look_for(fold(text)) if self._by_longest else {}
        if by_first:
            for word in _WORD.finditer(text):
                for phrase, kind in by_first.get(fold(word[0]), ()):
                    if (end := _end_of(text, word.end(), phrase)) is not None:
                        yield Hit(word.start(), end, kind)
                        break

    def _to_look_for(self, folded: str) -> dict[str, list[Phrase]]:
        """By first word, the longest phrases first: those of which the longest word is in the text."""
        if len(self._by_longest) <= _FEW:
            there = [word for word in self._by_longest if word in folded]
        else:
            there = [word for word in set(_WORD.findall(folded)) if word in self._by_longest]
        by_first: dict[str, list[Phrase]] = defaultdict(list)
        for word in there:
            for phrase, kind in self._by_longest[word]:
                by_first[phrase[0]].append((phrase, kind))
        for phrases in by_first.values():
            phrases.sort(key=lambda phrase: -len(phrase[0]))
        return by_first


def _end_of(text: str, end: int, phrase: tuple[str, ...]) -> int | None:
    for part in phrase[1:]:
        between = _APART.match(text, end)
        word = _WORD.match(text, between.end()) if between else None
        if word is None or fold(word[0]) != part:
            return None
        end = word.end()
    return end


def _kind_of(line: str) -> tuple[str, Kind]:
    prefix, colon, rest = line.partition(":")
    if colon and prefix.strip().upper() in (Kind.NAME, Kind.ADDRESS):
        return rest.strip(), Kind(prefix.strip().upper())
    return line.strip(), Kind.ADDRESS if _STREET.search(line) else Kind.NAME


def fold(text: str) -> str:
    """Without case and accents: Müller and MULLER alike."""
    if text.isascii():
        return text.lower()
    return _ACCENT.sub("", unicodedata.normalize("NFKD", text.casefold())).translate(_LETTERS)
