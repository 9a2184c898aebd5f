"""What makes a difference between texts, and how much."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.data.document import Document, Message
from node.data.duplicates.signatures import Signatures, signatures, similarity, words_of
from tests.node.data.duplicates.texts import POEM, changed, jaccard, prose


def likeness(left: str, right: str) -> float:
    made = signatures([left, right])
    return float(similarity(made.bins[:1], made.bins[1:])[0])


def same(left: str, right: str) -> bool:
    made = signatures([left, right])
    return bool((made.exact[0] == made.exact[1]).all())


@pytest.mark.parametrize(
    "text",
    [
        POEM.upper(),
        f"\n\t {POEM.replace(' ', '   ')}\r\n",
        POEM.replace(" ", "\u00a0"),  # blanks that do not break
        POEM.replace("o", "\uff4f"),  # a wide o
    ],
)
def test_dress_makes_no_difference(text: str) -> None:
    assert same(POEM, text)
    assert likeness(POEM, text) == 1


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("caf\u00e9", "cafe\u0301"),
        ("o\ufb03ce", "office"),
        ("Stra\u00dfe", "STRASSE"),
        ("\u1112\u1161\u11ab\uae00", "\ud55c\uae00"),  # Korean in letters and in syllables
        ("\u212a", "k"),
        ("\uff76\uff9e", "\u30ac"),  # half-width kana
    ],
)
def test_ways_to_write_the_same_letters_are_the_same(left: str, right: str) -> None:
    assert same(left, right)


def test_words_that_are_told_apart() -> None:
    assert not same("one two", "onetwo")
    assert not same("one two", "one, two")
    assert not same("", "x")


def test_punctuation_matters_for_the_mark_but_not_for_the_sketch() -> None:
    loud = re.sub(" ", ", ", POEM) + "!!"
    assert not same(POEM, loud)
    assert likeness(POEM, loud) == 1


def test_fewer_than_five_words_have_no_sketch() -> None:
    made = signatures(
        [
            "",
            " ",
            "... !",
            "one two three four",
            "one two three four five",
            "\u65e5\u672c\u8a9e\u3060",
            "\u65e5\u672c\u8a9e\u3060\u3088",
        ]
    )
    assert made.sketched.tolist() == [False, False, False, False, True, False, True]
    assert not made.bands[~made.sketched].any()


@pytest.mark.parametrize(
    "text",
    [
        "\u543e\u8f29\u306f\u732b\u3067\u3042\u308b\u3002\u540d\u524d\u306f\u307e\u3060\u7121\u3044\u3002\u3069\u3053\u3067\u751f\u308c\u305f\u304b\u3068\u3093\u3068\u898b\u5f53\u304c\u3064\u304b\u306c\u3002\u4f55\u3067\u3082\u8584\u6697\u3044\u3058\u3081\u3058\u3081\u3057\u305f\u6240",
        "\u5b66\u800c\u65f6\u4e60\u4e4b\u4e0d\u4ea6\u8bf4\u4e4e\u6709\u670b\u81ea\u8fdc\u65b9\u6765\u4e0d\u4ea6\u4e50\u4e4e\u4eba\u4e0d\u77e5\u800c\u4e0d\u6120\u4e0d\u4ea6\u541b\u5b50\u4e4e\u5176\u4e3a\u4eba\u4e5f\u5b5d\u5f1f\u800c\u597d\u72af\u4e0a\u8005\u9c9c\u77e3",
        "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22\u0e40\u0e1b\u0e47\u0e19\u0e20\u0e32\u0e29\u0e32\u0e17\u0e35\u0e48\u0e21\u0e35\u0e23\u0e30\u0e14\u0e31\u0e1a\u0e40\u0e2a\u0e35\u0e22\u0e07\u0e02\u0e2d\u0e07\u0e04\u0e33\u0e41\u0e19\u0e48\u0e19\u0e2d\u0e19\u0e2b\u0e23\u0e37\u0e2d\u0e27\u0e23\u0e23\u0e13\u0e22\u0e38\u0e01\u0e15\u0e4c",
    ],
    ids=["japanese", "chinese", "thai"],
)  # fmt: skip
def test_in_scripts_without_blanks_every_character_counts(text: str) -> None:
    assert 0.8 < likeness(text, text + text[0]) < 1
    middle = len(text) // 2
    assert likeness(text, text[:middle] + "\u4e00\u4e8c\u4e09" + text[middle:]) < 0.95


def test_korean_has_words() -> None:
    assert not signatures(["\ub300\ud55c\ubbfc\uad6d\uc740 \ubbfc\uc8fc\uacf5\ud654\uad6d\uc774\ub2e4"]).sketched[0]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(), max_size=40), max_size=8))
def test_a_text_has_the_same_signature_in_any_batch(texts: list[str]) -> None:
    together = signatures(texts)
    for place, text in enumerate(texts):
        alone = signatures([text])
        for name in ("exact", "bands", "bins"):
            assert (getattr(alone, name)[0] == getattr(together, name)[place]).all()


@settings(max_examples=200, deadline=None)
@given(st.text("abXY_09 .,-\n\u00e4\u00d6\u03c9\u0416", max_size=120))
def test_words_are_runs_of_letters_and_digits(text: str) -> None:
    words = re.findall(r"\w+", text.casefold())
    made = signatures([text, " ".join(words)])
    assert (made.bins[0] == made.bins[1]).all()
    assert (made.bands[0] == made.bands[1]).all()
    assert made.sketched[0] == (len(words) >= 5)


@pytest.mark.parametrize("blanks", [1, 4091, 4095, 4096, 4097, 9000])
def test_where_in_a_long_text_the_words_stand_makes_no_difference(blanks: int) -> None:
    text = " ".join(prose(1, 2000))
    assert likeness(text, "." * blanks + text) == 1
    wide = text.replace("w", "\u00e9")
    assert likeness(wide, "." * blanks + wide) == 1


@pytest.mark.parametrize("words", [40, 200, 1000, 6000])
@pytest.mark.parametrize("share", [0.005, 0.02, 0.05])
def test_the_likeness_is_close_to_the_real_one(words: int, share: float) -> None:
    left = prose(words, words)
    right = changed(left, max(1, round(share * words)), 1)
    assert likeness(" ".join(left), " ".join(right)) == pytest.approx(jaccard(left, right), abs=0.07)


def test_texts_with_nothing_in_common_are_not_alike() -> None:
    made = signatures([" ".join(f"{letter}{number}" for number in range(3000)) for letter in "abcdefghij"])
    left, right = np.triu_indices(10, 1)
    assert similarity(made.bins[left], made.bins[right]).max() < 0.02


def test_no_texts_have_no_signatures() -> None:
    made: Signatures = signatures([])
    assert (len(made), made.sketched.shape) == (0, (0,))


def test_of_a_conversation_all_that_was_said_is_compared() -> None:
    said = Document("chat", messages=(Message("user", "Hello there"), Message("assistant", "Hi")))
    assert words_of(said) == "Hello there\n\nHi"
    assert words_of(Document("a.txt", "prose")) == "prose"
