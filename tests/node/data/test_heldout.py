"""Nobody trains on what another is tested on, and nobody has to compare notes for that."""

from __future__ import annotations

import random
import string
from pydoc_data.topics import topics

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.data.chats.said import mention
from node.data.heldout import (
    LONG,
    Fate,
    fate,
    is_held_out,
    is_short,
    normalised,
    paragraphs,
)

QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy PC, too
KEY = b"k" * 32
dressed = st.text(string.ascii_letters + "ßẞé日本ﬁ \n\t.", min_size=1, max_size=12).filter(normalised)
long = st.integers(0, 60).map(lambda n: f"this is paragraph {n} of a text")
folders = st.lists(dressed | long, max_size=30)


@QUIET
@given(folders, folders)
def test_nobody_trains_on_what_another_is_tested_on(ana: list[str], bo: list[str]) -> None:
    def chosen(folder: list[str], wanted: Fate) -> set[str]:
        return {normalised(text) for text in folder if fate(KEY, text) is wanted}

    assert not chosen(ana, Fate.TEST) & chosen(bo, Fate.TRAIN)
    assert not chosen(ana, Fate.TRAIN) & chosen(bo, Fate.TEST)


def test_a_message_is_the_same_however_it_is_dressed() -> None:
    dresses = ["Wie groß ist  das, Anna?", "  wie GROSS\n\tist das, *Anna*? ", "Wie gro\u00df ist\u00a0das  Anna"]
    assert len({normalised(dress) for dress in dresses}) == 1
    for number in range(50):
        assert len({is_held_out(KEY, f"{dress} {number}") for dress in dresses}) == 1


def test_about_a_tenth_is_held_out() -> None:
    share = sum(is_held_out(KEY, f"a paragraph with number {number}") for number in range(5000)) / 5000
    assert 0.08 < share < 0.12  # five standard deviations


def test_another_group_holds_out_other_paragraphs() -> None:
    ours, theirs = (
        {n for n in range(2000) if is_held_out(key, f"a paragraph with number {n}")} for key in (KEY, b"l" * 32)
    )  # fmt: skip
    assert len(ours & theirs) < len(ours) / 2


@pytest.mark.parametrize(
    "dress",
    [
        "wie groß ist das haus am see, kim?", "WIE GROSS IST DAS HAUS AM SEE KIM",
        "w\u200bie groß ist\u00a0das \u202ahaus\u202c am see\u2026 Kim \U0001f600",
        "*wie* groß ist _das_ haus am see, kim",
        f"wie groß ist das haus am see, {mention('Anna Müller')} kim?",
        "@491701234567 wie groß ist das haus am see, kim?",
        "ｗｉｅ groß ist das haus am see kim", "wie groß ist\r\n das\x00 haus am see kim",
    ],
)  # fmt: skip
def test_every_program_s_dress_of_a_message_is_taken_off(dress: str) -> None:
    assert normalised(dress) == "wie gross ist das haus am see kim"


@QUIET
@given(st.text())
def test_words_without_dress_stay_as_they_are(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_what_is_short_is_never_held_out() -> None:
    short = ["ok", "", "😀" * 30, "see you then, bye!", "ja ja ja ja", "今日はとても"]
    assert all(is_short(normalised(text)) for text in short)
    assert not is_short(normalised("今日はとても良い天気ですね"))
    assert not is_short(normalised("see you there then, bye!"))
    assert not any(is_held_out(bytes([key]) * 32, text) for key in range(100) for text in short)


def test_a_text_of_several_forms_is_tested_only_in_words_that_nobody_trains_on() -> None:
    numbered = [f"a paragraph with number {number}" for number in range(200)]
    held = [text for text in numbered if is_held_out(KEY, text)]
    free = [text for text in numbered if not is_held_out(KEY, text)]
    assert fate(KEY, held[0], held[1]) is Fate.TEST
    assert fate(KEY, free[0], free[1]) is Fate.TRAIN
    assert fate(KEY, held[0], free[0]) is fate(KEY, free[0], held[0]) is Fate.SET_ASIDE
    assert fate(KEY, held[0], "short") is Fate.SET_ASIDE


def long_paragraphs() -> list[str]:
    """Real ones: what Python says of itself."""
    found = (normalised(one) for text in topics.values() for one in paragraphs(text))
    return sorted({text for text in found if len(text.split()) >= LONG})[:1500]


def test_of_real_text_about_a_tenth_is_held_out_under_any_key() -> None:
    texts = long_paragraphs()
    assert len(texts) > 1000
    for key in range(5):
        assert 0.06 < sum(is_held_out(bytes([key]) * 32, text) for text in texts) / len(texts) < 0.15


def test_most_near_duplicates_of_what_is_held_out_are_held_out_on_every_pc() -> None:
    chance = random.Random(3)
    held = leaked = 0
    for text in long_paragraphs():
        words = text.split()
        if len(words) < 40:
            continue
        words[chance.randrange(len(words))] = "otherwise"  # three runs of forty or more are others: J is above 0.85
        for key in range(3):
            if is_held_out(bytes([key]) * 32, text):
                held += 1
                leaked += not is_held_out(bytes([key]) * 32, " ".join(words))
    assert held > 50
    assert leaked / held < 0.25  # with the hash of all words it would be 0.9
