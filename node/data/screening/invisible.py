"""Unicode that deceives: what a reader sees is not what a model reads.

Looked for in the text as it was read, before cleaning takes most of it away. What scripts, emoji and flags need is not
reported: see `cleaning.characters`, which keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ASCII = bytes(range(0x80))
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_ANY_INVISIBLE = re.compile(
    "[\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef\ue000-\uf8ff\U000f0000-\U0010fffd]"
)

_OVERRIDES = re.compile("[\u202d\u202e][^\n]{0,40}")
_EMBEDDINGS = re.compile("[\u202a\u202b\u2066-\u2068][^\n]{0,40}")
_TAGS = re.compile("(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}")
_PRIVATE = re.compile("[\ue000-\uf8fe\U000f0000-\U0010fffd]+")
_HIDDEN = re.compile("[\u200b\u2060-\u2064\u206a-\u206f]+|(?<!\\A)\ufeff+|(?<![\u0600-\u18af])[\u200c]+")
MANY_HIDDEN = 10  # in one text; single ones come from word processors and web pages

# Letters of other scripts that look like Latin ones, and the Latin ones they look like.
_CYRILLIC = "аеорсухіјѕԁһԛԝАВЕКМНОРСТХІЈЅ"
_GREEK = "οανρΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
_LATIN_LIKE_CYRILLIC = "aeopcyxijsdhqwABEKMHOPCTXIJS"
_FOREIGN = re.compile("[\u0370-\u052f]")
_MEETING = re.compile("[A-Za-z][\u0370-\u052f]|[\u0370-\u052f][A-Za-z]")
_WORD = re.compile(r"\w*")
_HALF = 30  # characters of a word looked at on each side of where two scripts meet


def matches(text: str) -> Iterator[tuple[str, int, int]]:
    """The name of each suspicion with where it stands, as (name, start, end)."""
    if text.isascii():
        return
    wide = text.encode("utf-8", "replace").translate(None, _ASCII).decode("utf-8", "replace")  # what is not ASCII
    if _ANY_INVISIBLE.search(wide):
        yield from _invisible(text, bool(_RIGHT_TO_LEFT.search(wide)))
    if _FOREIGN.search(wide):
        for start, end in _mixed_words(text):
            if _imitates(text[start:end]):
                yield "words mixed of look-alike letters of two scripts", start, end


def _invisible(text: str, right_to_left: bool) -> Iterator[tuple[str, int, int]]:
    patterns = [
        ("text turned round by bidi overrides", _OVERRIDES),
        ("hidden tag characters", _TAGS),
        ("rows of variation selectors", _SELECTORS),
        ("private-use characters", _PRIVATE),
    ]
    if not right_to_left:  # Hebrew and Arabic need embeddings; elsewhere they reorder what is seen ("Trojan Source")
        patterns.append(("bidi embeddings in left-to-right text", _EMBEDDINGS))
    for name, pattern in patterns:
        for found in pattern.finditer(text):
            yield name, found.start(), found.end()
    hidden = list(_HIDDEN.finditer(text))
    if sum(len(found[0]) for found in hidden) >= MANY_HIDDEN:
        for found in hidden:
            yield "many invisible characters", found.start(), found.end()


def _mixed_words(text: str) -> Iterator[tuple[int, int]]:
    """Where words stand in which a Latin letter meets a Greek or Cyrillic one."""
    place = 0
    while meeting := _MEETING.search(text, place):
        before = _WORD.match(text[max(0, meeting.start() - _HALF) : meeting.start()][::-1])
        after = _WORD.match(text, meeting.start(), meeting.end() + _HALF)
        assert before
        assert after
        yield meeting.start() - before.end(), after.end()
        place = after.end()


def _imitates(word: str) -> bool:
    """Whether letters of one script stand for look-alikes in a word of another; not "SMSка", "IPадрес", "kΩ"."""
    latin = "".join(letter for letter in word if letter.isascii() and letter.isalpha())
    foreign = [letter for letter in word if _FOREIGN.match(letter)]
    if all(letter in _CYRILLIC or letter in _GREEK for letter in foreign):
        return len(latin) >= 2
    if latin.isupper() and word.startswith(latin):
        return False
    return len(foreign) >= 2 and all(letter in _LATIN_LIKE_CYRILLIC for letter in latin)
