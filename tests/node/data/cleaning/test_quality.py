"""Rules of quality: harsh on web pages, gentle on what people wrote themselves."""

from __future__ import annotations

from collections import Counter

import pytest

from node.data.cleaning.quality import C4, GOPHER, RULES, Quality
from node.data.document import Document, Dropped, Kind, Message

PROSE = (
    "The morning was cold when we left the house and walked to the station with two bags. "
    "Nobody had slept, because the train was to leave before six and it is a long way from here. "
    "On the platform a woman sold bread that was still warm. We ate it as the lights of the town went by.\n\n"
    "By noon the mountains stood in front of us. I have never seen so much snow in one place!"
)


def _reason(text: str, name: str = "page.html", kind: Kind = "prose", off: tuple[str, ...] = ()) -> str | None:
    made = Quality(off)(Document(name, text, kind=kind), Counter())
    return made.rule if isinstance(made, Dropped) else None


def test_a_good_page_is_kept() -> None:
    assert _reason(PROSE) is None


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("own: mostly characters that could not be decoded", "\ufffd\ufffda " * 40),
        ("own: mostly encoded data", "see " + "QUJD" * 50),
        ("own: no letters", "12 + 30 = 42\n" * 3),
        ("own: the same few lines again and again", "connection lost, trying again\n" * 60),
        ("gopher: fewer than 50 words", "A short page, that is all."),
        ("gopher: mean word length below 3 or above 10", "Donaudampfschifffahrt " * 60),
        ("gopher: more than 1 hash or ellipsis in 10 words", PROSE.replace(" a ", " # ").replace(" the ", " # ")),
        ("gopher: over 90 % of lines are bullets", "- " + PROSE.replace("\n\n", " ").replace(" of ", "\n- of ")),
        ("gopher: over 30 % of lines end in an ellipsis", PROSE.replace(". ", "...\n")),
        ("gopher: under 80 % of words have a letter", PROSE + " 12 19 2007 44" * 9),
        ("gopher: over 30 % duplicate lines", PROSE + "\nbuy now\nbuy now\nbuy now\nbuy now"),
        (
            "gopher: over 20 % of characters in duplicate lines",
            PROSE.replace(". ", ".\n") + "\n" + PROSE[85:177],
        ),
        ("gopher: one 2- to 4-gram makes up over 20, 18 or 16 %", PROSE + " great offers" * 25),
        ("gopher: over 15 to 10 % of characters in duplicate 5- to 10-grams", PROSE + " " + PROSE[10:120]),
        ("c4: lorem ipsum", PROSE + " Lorem ipsum dolor."),
        ("c4: curly bracket", PROSE + " if (a) { b(); }"),
    ],
)
def test_a_page_is_left_out_by_the_rule_it_breaks(rule: str, text: str) -> None:
    assert _reason(text) == rule
    assert _reason(text, off=(rule,)) != rule


@pytest.mark.parametrize("before", [0, 1, 57, 99, 100, 101, 199])
def test_encoded_data_is_noticed_wherever_it_begins(before: int) -> None:
    assert _reason("x " * (before // 2) + " " * (before % 2) + "A" * 100 * (1 + before // 50), "a.txt")
    assert _reason(("word " * before) + "A" * 99, "a.txt") is None


def test_a_page_of_key_words_lacks_stop_words() -> None:
    from tests.node.data.cleaning.words import KEY_WORDS

    assert _reason(KEY_WORDS) == "gopher: fewer than 2 different stop words"


def test_a_short_note_is_kept_whatever_web_rules_say() -> None:
    for text in ("milk, eggs, bread", "call Ana!!!", "- one\n- two\n- three", "so tired today..."):
        assert _reason(text, "diary/monday.txt") is None


def test_a_chapter_of_a_book_is_no_web_page() -> None:
    for name in ("b.epub!OPS/one.xhtml", "books.zip!B.EPUB!one.html!2"):
        assert _reason("A short page, that is all.", name) is None
    assert _reason("A short page, that is all.", "b.epub.html") == "gopher: fewer than 50 words"


def test_web_rules_hold_for_everything_when_the_owner_asks() -> None:
    made = Quality(pages="all")(Document("diary.txt", "milk, eggs, bread"), Counter())
    assert made == Dropped("gopher: fewer than 50 words")
    assert isinstance(Quality(pages="never")(Document("a.html", "A short page."), Counter()), Document)


def test_prose_rules_do_not_touch_code_tables_and_chats() -> None:
    assert _reason("{}", "x.html", kind="code") is None
    assert _reason("1;2;3\n" * 100, "x.html", kind="table") is None
    chat = Document("chat.html", messages=(Message("user", "ok"), Message("assistant", "👍")), kind="chat")
    assert Quality()(chat, Counter()) is chat


def test_a_page_without_spaces_is_measured_in_characters() -> None:
    page = "今朝は寒かったので、私たちは駅まで歩いて行きました。窓の外には雪の積もった山々が見えました。"
    more = "昼になると町の明かりが遠くに消え、だれも眠っていないことに気がつきました。パンはまだ温かかったです。"
    assert _reason(page + more + "こんなにたくさんの雪を見たのは生まれて初めてだと彼女は静かに言いました。") is None
    assert _reason(page[:20]) == "gopher: fewer than 50 words"
    assert _reason(page * 6) == "gopher: one 2- to 4-gram makes up over 20, 18 or 16 %"


def test_every_web_rule_is_for_pages_and_every_name_is_its_own() -> None:
    assert all(rule.pages for rule in (*GOPHER, *C4))
    assert len({rule.name for rule in RULES}) == len(RULES)
