"""The promises of the order: each window once a pass, nothing left out, whatever becomes of updates and of texts."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.data.ledger import OPEN, Ledger, Round, load, save
from node.data.order import Reading, Text, ahead, reading, spans_of, union, without
from shared.ids import Digest

BATCH = 3


def taken(texts: list[Text], before: tuple[Reading, Reading], count: int) -> tuple[list[tuple[str, int]], Reading]:
    """The next `count` windows as (text, position), and what reading them makes."""
    rows = ahead(texts, *before, count)[:count]
    return [(texts[which].name, int(position)) for which, position in rows], reading(texts, rows)


sets = st.sets(st.integers(0, 30)).map(lambda places: spans_of(np.array(sorted(places), np.int64)))


@given(sets, sets)
def test_spans_are_sets(some: tuple[tuple[int, int], ...], others: tuple[tuple[int, int], ...]) -> None:
    def places(spans: tuple[tuple[int, int], ...]) -> set[int]:
        return {place for start, stop in spans for place in range(start, stop)}

    assert places(union(some, others)) == places(some) | places(others)
    assert places(without(some, others)) == places(some) - places(others)
    joined = union(some, others)
    assert all(stop < start for (_, stop), (start, _) in itertools.pairwise(joined))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(1, 60), st.integers(1, 60))
def test_asked_for_more_the_order_begins_the_same(sizes: list[int], few: int, more: int) -> None:
    texts = [Text(str(number), size) for number, size in enumerate(sizes)]
    short, long = (ahead(texts, Reading(), Reading(), count) for count in (few, few + more))
    assert np.array_equal(long[: len(short)], short)


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["counted", "refused", "late"]), st.booleans()), max_size=14),
)
def test_every_window_is_learnt_once_a_pass_whatever_becomes_of_updates(
    sizes: list[int], rounds: list[tuple[int, str, bool]]
) -> None:
    """Each round reads some windows; its update counts, is refused at once, or is known to be lost a round later; and
    it may be trained twice, because the PC crashed after it was written down.
    """
    texts = [Text(str(number), size) for number, size in enumerate(sizes)]
    known, learnt = Ledger(), Counter[tuple[str, int]]()
    read: dict[int, list[tuple[str, int]]] = {}
    lost: set[int] = set()
    for number, (count, fate, crashed) in enumerate(rounds, 1):
        late = {n for n, (_, other, _) in enumerate(rounds[: number - 2], 1) if other == "late"}
        lost |= late | {n for n, (_, other, _) in enumerate(rounds[: number - 1], 1) if other == "refused"}
        for _ in range(1 + crashed):
            model = Digest(f"model {number}")
            read[number], new = taken(texts, known.before(number, model, lost), count)
            known = known.with_round(Round(number, model, new), lost)
        if fate == "counted":
            learnt.update(read[number])
    assert set(learnt.values()) <= {1}
    # Once everything that was lost is known, the next windows are just those that the passes begun so far have left.
    lost |= {number for number, (_, fate, _) in enumerate(rounds, 1) if fate != "counted"}
    begun = max(
        (position // texts[int(name)].windows for these in read.values() for name, position in these), default=0
    )
    every = {(text.name, position) for text in texts for position in range((begun + 1) * text.windows)}
    rest, _ = taken(texts, known.before(len(rounds) + 1, Digest("new"), lost), len(every) - len(learnt))
    assert {*rest, *learnt} == every
    assert not set(rest) & set(learnt)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 40))
def test_a_text_that_comes_later_is_read_beside_the_rest_of_this_pass(old: int, new: int, done: int) -> None:
    first, second = Text("old", old), Text("new", new)
    read, reading_ = taken([first], (Reading(), Reading()), done)
    left = -done % old or old * (done == 0) or 0
    both, _ = taken([first, second], (reading_, Reading()), left + new)
    assert Counter(name for name, _ in both) == {k: v for k, v in {"old": left, "new": new}.items() if v}
    assert not set(both) & set(read)


def test_texts_are_read_side_by_side_not_one_after_the_other() -> None:
    rows = ahead([Text("small", 10), Text("large", 90)], Reading(), Reading(), 100)
    assert [int((part[:, 0] == 0).sum()) for part in np.split(rows, 10)] == [1] * 10


def test_a_text_that_went_and_comes_back_goes_on_where_it_was() -> None:
    here, gone = Text("a", 10), Text("b", 10)
    first, known = taken([here, gone], (Reading(), Reading()), 8)
    alone, more = taken([here], (known, Reading()), 2)
    rest, _ = taken(
        [here, gone], (Reading(0, {n: union(known.spans[n], more.spans.get(n, ())) for n in "ab"}), Reading()), 10
    )
    assert len({*first, *alone, *rest}) == 20


def test_a_round_that_was_given_up_is_seen_by_the_model_staying_as_it_was() -> None:
    texts, model = [Text("a", 100)], Digest("m")
    known = Ledger()
    first, new = taken(texts, known.before(1, model, ()), BATCH)
    known = known.with_round(Round(1, model, new), ())
    again, new = taken(texts, known.before(2, model, ()), BATCH)
    assert again == first
    known = known.with_round(Round(2, model, new), ())
    after, _ = taken(texts, known.before(3, Digest("another"), ()), BATCH)
    assert after == [("a", position) for position in range(BATCH, 2 * BATCH)]


def test_old_rounds_are_folded_and_the_book_is_kept(tmp_path: Path) -> None:
    texts, known = [Text("a", 1000)], Ledger()
    for number in range(1, 3 * OPEN):
        model = Digest(f"model {number}")
        _, new = taken(texts, known.before(number, model, {2}), BATCH)
        known = known.with_round(Round(number, model, new), {2} if number > 2 else set())
    assert len(known.rounds) == OPEN
    save(tmp_path / "reading.json", known)
    assert load(tmp_path / "reading.json") == known
    assert load(tmp_path / "none.json") == Ledger()
    assert (tmp_path / "reading.json").stat().st_size < 4000


@pytest.mark.parametrize("rubbish", [b"", b"{}", b"[]", b'{"learnt": 3, "rounds": []}'])
def test_a_book_that_cannot_be_read_begins_anew(tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / "reading.json").write_bytes(rubbish)
    assert load(tmp_path / "reading.json") == Ledger()
