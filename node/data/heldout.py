"""Who is tested on what: decided by a text's own words and a key the group shares, so every PC decides alike.

A *text* is a paragraph of prose (a block between empty lines) or one message of a chat. Every PC gives the same words
the same fate, whichever program exported them, under whatever names, and without anybody comparing notes. About a tenth
is held out. What that promises to friends with one key:

    The normalised texts that anybody trains on and those that anybody is scored on have nothing in common.

- It holds for texts as they stood in the file (`is_held_out` before pseudonyms and blanking) and, since two texts may
  become one by blanking, for texts as they are learnt (the same again after the last stage: `fate`).
- What is read before a scored message in its test, as context, is not scored; it may have been trained on.
- Short texts ("ok, see you then") say nothing about anybody: they are never scored and may always be trained on.
- It says nothing of a part of a text: a paragraph of a long message that somebody else has as prose, a quotation.
- Files that an owner names as tests are scored whole; of their texts only short ones are trained on here, in whatever
  collection they stand (`tested`). Hash-chosen texts beside them are *set aside*, neither trained nor tested, since
  friends without such files are tested on them; that nobody else trains on the named files is in the hands of the
  friends, who should all name the same ones.

Nearly the same is not the same. On one PC a near copy of a document that was met before is left out whole. Across PCs
nobody can compare, so the fate of a text of LONG words and more hangs on one of its runs of three words, the one with
the least keyed hash: two texts that share a part J of their runs (Jaccard) take the same run with probability J.
Measured on manual pages in eight languages, Python's library and licences, 12 keys: 8 to 17 % are held out, 10 % on
average; of the near duplicates of a held-out text 12 to 21 % are trained on at J = 0.8 and 8 to 11 % at J = 0.9,
instead of 90 %.

Nobody outside the group can tell which texts are held out. Pure: no files, no chance.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from functools import cache, partial

import xxhash

KEY_BYTES = 32
ONE_IN = 10
SHORT = 20  # normalised characters (a Chinese or Japanese one counts twice), below which nothing is a test of anybody
LONG = 16  # words, from which a run of three of them decides instead of all of them
RUN = 3  # words

_MENTION = re.compile(r"(?<!\w)@(?:\u2068[^\u2069]*\u2069|\+?\w+)")  # as each friend's phone book writes it
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_BETWEEN = re.compile(r"[\W_]+")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
_WIDE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_ANY_WIDE = re.compile(rf"[{_WIDE}]")
_PLAIN = bytes(code if chr(code).isalnum() else 0x20 for code in bytes(range(128)).lower()) + bytes(128)
_UNSEEN_ASCII = bytes([*range(0x09), *range(0x0E, 0x20), 0x7F])
_WORD = re.compile(rf"[{_WIDE}]|[^\s{_WIDE}]+")  # scripts without blanks: each character is a word


class Fate(StrEnum):
    """What becomes of a paragraph."""

    TRAIN = "train"
    TEST = "test"
    SET_ASIDE = "set aside"  # another friend may be tested on it
    REPEATED = "repeated"  # it was there before, so it is not counted again


def paragraphs(text: str) -> Iterator[str]:
    """Blocks between blank lines; indentation stays, so that code is still code."""
    for block in _BLANK_LINES.split(text):
        if stripped := block.strip("\n").rstrip():
            yield stripped


def normalised(paragraph: str) -> str:
    """The words alone: NFKC, case folded, nothing unseen, no @mentions, a blank for all that is no letter or digit."""
    if not paragraph.isascii():
        paragraph = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", paragraph).casefold())
    if "@" in paragraph:
        paragraph = _MENTION.sub(" ", paragraph)
    if paragraph.isascii():  # the same, ten times as fast
        return b" ".join(paragraph.encode().translate(_PLAIN, _UNSEEN_ASCII).split()).decode()
    return _BETWEEN.sub(" ", _UNSEEN.sub("", paragraph)).strip().lower()


def is_short(words: str) -> bool:
    """Whether these normalised words are too few to be a test of anybody."""
    return len(words) < SHORT and len(words) + sum(unicodedata.east_asian_width(c) in "WF" for c in words) < SHORT


def is_held_out(group_key: bytes, paragraph: str) -> bool:
    """About one text in ten of those that are not short, the same ones on every PC of the group."""
    return are_held_out(group_key, normalised(paragraph))


def are_held_out(group_key: bytes, words: str) -> bool:
    """The same of normalised words."""
    if is_short(words):
        return False
    mac = hmac.digest(group_key, _deciding(group_key, words).encode(), hashlib.sha256)
    return int.from_bytes(mac, "big") % ONE_IN == 0


def fate(group_key: bytes, *forms: str) -> Fate:
    """Of one paragraph in all its forms (as it stood in the file, as it is after every stage)."""
    held = {is_held_out(group_key, form) for form in forms}
    if held == {True}:
        return Fate.TEST
    return Fate.SET_ASIDE if True in held else Fate.TRAIN


def _deciding(group_key: bytes, words: str) -> str:
    """The part of these words that decides: of few words all, of many the run of three with the least keyed hash."""
    if words.isascii() and words.count(" ") < LONG - 1:
        return words
    lowest = partial(xxhash.xxh3_64_intdigest, seed=_seed(group_key))
    if words.isascii() or not _ANY_WIDE.search(words):  # the same, three times as fast
        apart = words.encode().split()
        if len(apart) < LONG:
            return words
        return min(map(b" ".join, zip(*(apart[at:] for at in range(RUN)), strict=False)), key=lowest).decode()
    spans = [match.span() for match in _WORD.finditer(words)]
    if len(spans) < LONG:
        return words
    runs = (words[start:stop] for (start, _), (_, stop) in zip(spans, spans[RUN - 1 :], strict=False))
    return min(runs, key=lambda run: lowest(run.encode()))


@cache
def _seed(group_key: bytes) -> int:
    return int.from_bytes(hmac.digest(group_key, b"which run of words decides", hashlib.sha256)[:8], "big")
