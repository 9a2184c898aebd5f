"""What is new, what is a copy, and of what."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.data.duplicates.index import Index, Verdict
from node.data.duplicates.signatures import signatures
from shared.errors import OwnerMustAct
from tests.node.data.duplicates.texts import POEM, add, changed, jaccard, kinds, prose


def test_the_same_words_are_a_copy_however_they_are_dressed(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        assert kinds(add(index, "notes", [POEM])) == ["new"]
        found = add(index, "mails", [POEM.upper(), POEM.replace(" ", "\n  "), POEM + "!"], first=7)
        assert found[:2] == [Verdict("exact", "notes", 0, 1.0)] * 2
        assert (found[2].kind, found[2].source, found[2].id) == ("near", "notes", 0)


def test_copies_within_one_batch_are_found_in_order(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        found = add(index, "notes", [POEM, "something else", POEM, "Something  else", POEM + "."], first=10)
        assert kinds(found) == ["new", "new", "exact", "exact", "near"]
        assert [verdict.id for verdict in found[2:]] == [10, 11, 10]


def test_short_and_empty_texts_are_only_compared_whole(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        found = add(
            index,
            "notes",
            ["", "one two three four", "one two three", " \n", "One two three four", "one two three five"],
        )
        assert kinds(found) == ["new", "new", "new", "exact", "exact", "new"]


def test_the_highest_fate_of_all_it_resembles_is_given_back(tmp_path: Path) -> None:
    middle = prose(1, 400)
    left, right = changed(middle, 5, 1), changed(middle[:200], 0, 0) + changed(middle[200:], 6, 2)
    with Index.open(tmp_path) as index:
        texts = [" ".join(left), " ".join(right), "short text"]
        assert kinds(add(index, "notes", texts, [1, 3, 2])) == ["new", "new", "new"]
        near, short, other = add(index, "notes", [" ".join(middle), "Short text", "other"], [7, 7, 7])
        assert (near.kind, near.fate) == ("near", 3)
        assert (short.kind, short.fate) == ("exact", 2)
        assert (other.kind, other.fate) == ("new", 0)


def test_what_resembles_only_a_copy_is_new(tmp_path: Path) -> None:
    first = prose(3, 3000)
    second = changed(first, 40, 1)
    third = changed(second, 45, 2)
    assert min(jaccard(first, second), jaccard(second, third)) > 0.85
    assert jaccard(first, third) < 0.76
    with Index.open(tmp_path) as index:
        assert kinds(add(index, "a", [" ".join(words) for words in (first, second, third)])) == ["new", "near", "new"]


@pytest.mark.parametrize(
    ("places", "low", "high"), [(2, 0.97, 1), (6, 0.95, 1), (30, 0, 0.02)], ids=[".96", ".9", ".6"]
)
def test_nearly_all_copies_are_found_and_nothing_else(tmp_path: Path, places: int, low: float, high: float) -> None:
    originals = [prose(seed, 600) for seed in range(100)]
    copies = [changed(words, places, 1) for words in originals]
    with Index.open(tmp_path) as index:
        assert set(kinds(add(index, "a", [" ".join(words) for words in originals]))) == {"new"}
        found = add(index, "b", [" ".join(words) for words in copies])
        right = [verdict.kind == "near" and verdict.id == number for number, verdict in enumerate(found)]
        assert low <= sum(right) / len(right) <= high
        assert all(right) or set(kinds(found)) <= {"near", "new"}


def test_around_the_threshold_the_likeness_decides(tmp_path: Path) -> None:
    original = prose(5, 4000)
    with Index.open(tmp_path) as index:
        add(index, "a", [" ".join(original)])
        for places, kind in ((60, "near"), (130, "new")):
            copy = changed(original, places, 1)
            assert (jaccard(original, copy) >= 0.8) == (kind == "near")
            (found,) = index.add("b", [1], signatures([" ".join(copy)]), [0])
            assert found.kind == kind
            assert kind == "new" or found.similarity == pytest.approx(jaccard(original, copy), abs=0.05)


def test_a_shared_licence_makes_no_copies(tmp_path: Path) -> None:
    licence = prose(0, 300)
    texts = [" ".join(prose(seed, 40) + licence + prose(1000 + seed, 40)) for seed in range(300)]
    with Index.open(tmp_path) as index:
        assert set(kinds(add(index, "packages", texts))) == {"new"}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=40),
    st.lists(st.integers(0, 40), max_size=5),
    st.integers(0, 40),
)
def test_how_documents_come_in_batches_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, int]], cuts: list[int], crash: int
) -> None:
    texts = [" ".join(changed(prose(seed, 100), places, places)) for seed, places in made]
    with Index.open(tmp_path_factory.mktemp("whole")) as index:
        whole = add(index, "a", texts)
    folder = tmp_path_factory.mktemp("cut")
    edges = sorted({0, len(texts), *(min(cut, len(texts)) for cut in cuts)})
    found: list[Verdict] = []
    for first, last in pairwise(edges):
        with Index.open(folder, first) as index:
            if crash < last:  # added, not committed, and added again
                add(index, "a", texts[first : crash + 1], first=first)
        with Index.open(folder, first) as index:
            found += add(index, "a", texts[first:last], first=first)
            assert index.commit() == last
    assert found == whole


def test_an_index_goes_on_after_a_restart(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        add(index, "notes", [POEM, "a short one"])
        assert index.commit() == 2
        add(index, "notes", [" ".join(prose(1, 50))], first=2)
    with Index.open(tmp_path) as index:
        assert index.length == 2
        assert kinds(add(index, "mails", [POEM, "A short one", " ".join(prose(1, 50))])) == ["exact", "exact", "new"]


def test_an_index_goes_back_to_what_a_journal_says(tmp_path: Path) -> None:
    texts = [" ".join(prose(seed, 50)) for seed in range(4)]
    with Index.open(tmp_path) as index:
        add(index, "a", texts[:2])
        assert index.commit() == 2
        add(index, "a", texts[2:])
        assert index.commit() == 4
    with Index.open(tmp_path, 2) as index:
        assert index.length == 2
    with Index.open(tmp_path) as index:  # and that counts
        assert kinds(add(index, "b", texts)) == ["exact", "exact", "new", "new"]


@pytest.mark.parametrize("name", ["records", "bins", "bands"])
def test_bytes_of_a_write_that_was_cut_are_dropped(tmp_path: Path, name: str) -> None:
    with Index.open(tmp_path) as index:
        add(index, "a", [POEM])
        index.commit()
    for path, rubbish in ((tmp_path / "0" / name, b"\xff" * 1000), (tmp_path / "commits", b"\xff" * 21)):
        with open(path, "ab") as file:
            file.write(rubbish)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "records").write_bytes(b"half a compaction")
    with Index.open(tmp_path) as index:
        assert index.length == 1
        assert kinds(add(index, "b", [POEM, "new"])) == ["exact", "new"]
        assert index.commit() == 3
    assert not (tmp_path / "1").exists()


def test_a_damaged_index_says_what_to_do(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        add(index, "a", [POEM])
        index.commit()
    (tmp_path / "0" / "bins").write_bytes(b"")
    with pytest.raises(OwnerMustAct, match="add your sources again"):
        Index.open(tmp_path)


def test_a_removed_source_is_not_compared_with_and_what_it_kept_out_is_told(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        add(index, "a", [POEM, "short", "only here"])
        add(index, "b", [POEM + "!", "Short", POEM, "mine"])
        add(index, "c", ["short", "mine"])
        index.commit()
        assert index.left_out("a") == Counter({"b": 3, "c": 1})
        assert index.left_out("b") == Counter({"c": 1})
        assert index.left_out("unknown") == Counter()
        index.remove("a")
        index.remove("a")
        index.remove("unknown")
        assert kinds(add(index, "d", [POEM, "short", "mine"])) == ["new", "new", "exact"]
    with Index.open(tmp_path) as index:
        index.remove("b")
        assert index.left_out("b") == Counter()  # nobody knows that name now
        assert kinds(add(index, "a", [POEM, "only here", "mine"])) == ["new", "new", "new"]  # it came back
        assert index.left_out("a") == Counter()
    assert json.loads((tmp_path / "sources.json").read_bytes()) == {"names": ["", "", "c", "d", "a"], "removed": [0, 1]}


def test_a_source_that_is_being_replaced_is_not_compared_with(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        add(index, "notes.1", [POEM])
        index.commit()
    with Index.open(tmp_path, ignoring=["notes.1", "never seen"]) as index:
        assert kinds(add(index, "notes.2", [POEM, POEM])) == ["new", "exact"]
        index.commit()
        index.remove("notes.1")
    with Index.open(tmp_path) as index:
        assert [verdict.source for verdict in add(index, "mails", [POEM])] == ["notes.2"]


def test_most_of_what_a_removed_source_took_is_given_back(tmp_path: Path) -> None:
    texts = [" ".join(prose(seed, 30)) for seed in range(40)]
    with Index.open(tmp_path) as index:
        add(index, "large", texts)
        add(index, "small", [*texts[:5], POEM, "short"])
        at = index.commit()
        before = sum(path.stat().st_size for path in tmp_path.rglob("*"))
        index.remove("large")
        assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < before / 4
        assert index.length == at
        assert kinds(add(index, "new", [POEM, "Short", texts[0], texts[9]])) == ["exact", "exact", "new", "new"]
        index.commit()
    with Index.open(tmp_path, at) as index:  # records keep their numbers, so journals stay right
        assert kinds(add(index, "new", [POEM + "!", texts[0], texts[0]])) == ["near", "new", "exact"]


def test_a_text_that_was_removed_a_hundred_times_still_has_copies(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        add(index, "others", [" ".join(prose(seed, 30)) for seed in range(200)])
        for time in range(100):
            assert kinds(add(index, f"notes {time}", [POEM, "three short words"])) == ["new", "new"]
            index.commit()
            index.remove(f"notes {time}")
        assert kinds(add(index, "notes", [POEM, "three short words"])) == ["new", "new"]
        assert kinds(add(index, "mails", [POEM, "three short words"])) == ["exact", "exact"]
