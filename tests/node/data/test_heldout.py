"""Nobody trains on what another is tested on, and nobody has to compare notes for that."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from node.data.heldout import Fate, Sorter, is_held_out, normalised

KEY = b"k" * 32
paragraphs = st.text(string.ascii_letters + "ßẞé日本ﬁ \n\t.", min_size=1, max_size=12).filter(normalised)
folders = st.lists(paragraphs, max_size=30)


def fates(texts: list[str], *, test_files: bool = False) -> list[tuple[str, Fate]]:
    sorter = Sorter(KEY, test_files=test_files)
    return [(normalised(text), sorter.fate(text)) for text in texts]


def chosen(sorted_texts: list[tuple[str, Fate]], fate: Fate) -> set[str]:
    return {text for text, its_fate in sorted_texts if its_fate is fate}


@given(folders, folders, st.booleans())
def test_nobody_trains_on_what_another_is_tested_on(ana: list[str], bo: list[str], bo_names_test_files: bool) -> None:
    mine, theirs = fates(ana), fates(bo, test_files=bo_names_test_files)
    assert not chosen(mine, Fate.TEST) & chosen(theirs, Fate.TRAIN)
    assert not chosen(mine, Fate.TRAIN) & chosen(theirs, Fate.TEST)


@given(folders, folders)
def test_a_named_test_file_s_words_are_not_trained_on_by_the_same_friend(tests: list[str], rest: list[str]) -> None:
    sorter = Sorter(KEY, test_files=True)
    tested = {normalised(text) for text in tests if sorter.fate(text, in_test_file=True) is Fate.TEST}
    trained = {normalised(text) for text in rest if sorter.fate(text) is Fate.TRAIN}
    assert tested == {normalised(text) for text in tests}
    assert not tested & trained


@given(folders)
def test_a_repeated_paragraph_counts_once(texts: list[str]) -> None:
    twice = fates(texts + texts)
    kept = [text for text, fate in twice if fate is not Fate.REPEATED]
    assert len(kept) == len(set(kept)) == len({normalised(text) for text in texts})


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
