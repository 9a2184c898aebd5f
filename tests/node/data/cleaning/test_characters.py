"""Characters nobody sees are removed and counted; those that scripts and emoji need stay."""

from __future__ import annotations

from collections import Counter

import pytest

from node.data.cleaning.characters import Characters, clean
from node.data.document import Document, Dropped, Message

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
WALES = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"


@pytest.mark.parametrize(
    "text",
    [
        "plain\n\ttext",
        "naïve café",
        "می\u200cخواهم",  # Persian: the non-joiner parts a prefix
        "क्\u200dष",  # Devanagari: the joiner shapes a conjunct
        FAMILY,
        "\u2764\ufe0f\u200d\U0001f525",  # a heart on fire
        WALES,
        "ខ្ញុំ\u200bទៅ",  # Khmer: words are parted so
        "ᠮᠣᠩᠭᠣᠯ\u180eᠠ",
        "icon \ue000 of a private font",
    ],
)
def test_what_scripts_and_emoji_need_stays(text: str) -> None:
    counts: Counter[str] = Counter()
    assert clean(text, counts) is text
    assert not counts


@pytest.mark.parametrize(
    ("text", "cleaned", "kind"),
    [
        ("a\u200bb\ufeff c\u00ad", "ab c", "zero-width characters removed"),
        ("a\u200db \u200cc", "ab c", "zero-width characters removed"),
        ("می\u200c\u200c\u200cخواهم", "می\u200cخواهم", "zero-width characters removed"),
        ("if x:\u202e\u2066 # \u2069\u2066", "if x: # ", "bidi marks removed"),
        ("hi\U000e0068\U000e0069", "hi", "tag characters removed"),
        ("\U0001f600\ufe0f\U000e0141\U000e0142!", "\U0001f600\ufe0f!", "variation selectors removed"),
        ("a\0b\x07\x9b", "ab", "control characters removed"),
        ("N\x08NA\x08AME\x08E", "NAME", "overstrikes removed"),
        ("\x1b[1;31mred\x1b[0m", "red", "terminal escapes removed"),
        ("a\ud800b\ufffe", "ab", "broken characters removed"),
        ("a\r\nb\rc\x0cd\x85e\u2028f", "a\nb\nc\nd\ne\nf", "line ends made plain"),
        ("cafe\u0301", "café", "texts brought to NFC"),
    ],
)
def test_what_nobody_sees_is_removed_and_counted(text: str, cleaned: str, kind: str) -> None:
    counts: Counter[str] = Counter()
    assert clean(text, counts) == cleaned
    assert counts[f"characters: {kind}"] > 0
    assert clean(cleaned, Counter()) is cleaned


def test_a_text_saved_in_another_encoding_is_only_counted() -> None:
    counts: Counter[str] = Counter()
    assert clean("GrÃ¼ÃŸe, itâ€™s me", counts) == "GrÃ¼ÃŸe, itâ€™s me"
    assert counts["characters: garbled, left as they are (saved in another encoding)"] == 3


def test_messages_are_cleaned_and_empty_ones_go() -> None:
    chat = Document("c", messages=(Message("user", "h\u200bi"), Message("assistant", "\u200b")), kind="chat")
    counts: Counter[str] = Counter()
    cleaned = Characters()(chat, counts)
    assert isinstance(cleaned, Document)
    assert cleaned.messages == (Message("user", "hi"),)


def test_a_document_of_nothing_but_invisible_characters_is_left_out() -> None:
    assert Characters()(Document("d", "\u200b\ufeff\u202e"), Counter()) == Dropped("nothing left after cleaning")
