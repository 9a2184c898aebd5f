"""Units of work, spool files and journals: pure, or a file each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.data.building import spool
from node.data.building.choices import Choices, choices_from
from node.data.building.finding import Found
from node.data.building.journal import Journal
from node.data.building.plan import LARGEST, MOST_PARTS, SMALLEST, Part, part_from, part_words, unit_bytes, units
from node.data.building.refining import aligned
from node.data.building.showing import around, differences
from node.data.building.unread import NAMED, Unread
from node.data.document import Unreadable
from shared.errors import OwnerMustAct


def part(size: int, name: str = "a.txt") -> Part:
    return Part(name, size, 1, size)


@given(st.lists(st.integers(0, 3 << 20), max_size=40), st.integers(SMALLEST, LARGEST))
def test_every_part_is_in_one_unit_in_order(sizes: list[int], size: int) -> None:
    parts = [part(each, str(number)) for number, each in enumerate(sizes)]
    made = [*units(parts, size)]
    assert [one for unit in made for one in unit.parts] == parts
    assert [unit.number for unit in made] == [*range(len(made))]
    assert all(sum(one.bytes for one in unit.parts[:-1]) < size for unit in made)


def test_units_grow_with_the_whole_within_bounds() -> None:
    assert (unit_bytes(0), unit_bytes(10**9), unit_bytes(10**12)) == (SMALLEST, 250_000, LARGEST)
    assert len([*units([part(0)] * (MOST_PARTS + 1), LARGEST)]) == 2


def test_a_part_comes_back_from_a_journal_whatever_it_is_called(tmp_path: Path) -> None:
    odd = Part("a\udcff\n'.txt", 7, 3, 512, 2, 5, True, "WhatsApp")
    assert part_from(part_words(odd)) == odd
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").touch()
    with Journal(tmp_path / ".state.db") as journal:
        journal.write_plan({"label": "x.1"}, units([odd], 1), Found(tmp_path / "folder", Choices()))
        assert [unit.parts for unit in journal.units(0)] == [(odd,)]


def test_a_journal_adds_up_and_names_the_first_of_each_reason(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").touch()
    with Journal(tmp_path / ".state.db") as journal:
        journal.write_plan({"label": "x.1"}, units([part(1)] * 3, 1), Found(tmp_path / "folder", Choices()))
        for merged in (1, 2):
            many = Unread(journal.skipped())
            for number in range(NAMED):
                many.add(Unreadable(f"{merged} {number}", "odd"))
            journal.commit(merged, {"met": merged}, Counter(documents=2), many)
        journal.place({"index": 5})
    with Journal(tmp_path / ".state.db") as journal:
        assert journal.merged() == (2, {"met": 2, "index": 5})
        assert (journal.counts()["documents"], journal.counts()["unreadable: odd"]) == (4, 2 * NAMED)
        assert len([*journal.unreadable()]) == NAMED
        assert (journal.totals(), journal.bytes_before(2), journal.files()) == ((3, 3), 2, 1)


@pytest.mark.parametrize("left", [0, 1, 40, -1])
def test_a_spool_file_that_is_not_whole_is_seen(tmp_path: Path, left: int) -> None:
    path = tmp_path / "00000001"
    lines: list[dict[str, Any]] = [{"text": "grüße \ud800"}, {"counts": {}}]
    spool.write(path, lines)
    assert spool.is_whole(path)
    assert [*spool.read(path)] == lines
    path.write_bytes(path.read_bytes()[:left])
    assert not spool.is_whole(path)
    assert not spool.is_whole(tmp_path / "00000002")


def test_a_changed_paragraph_is_told_from_its_neighbours() -> None:
    raw = ["one", "two me@x.org", "three", "four a", "gone", "five"]
    refined = ["one", "two [EMAIL]", "three", "four b", "five"]
    assert [*map(list, aligned(raw, refined))] == [[], ["two me@x.org"], [], ["four a", "gone"], []]
    assert [*aligned([], ["new"])] == [[]]
    assert [*map(list, aligned(["a", "a"], ["a", "a"]))] == [[], []]


def test_choices_come_back_and_strange_ones_are_refused() -> None:
    assert choices_from({"me": ["ana"], "blank": False}) == Choices(me=("ana",), blank=False)
    with pytest.raises(OwnerMustAct, match="newer Potluck"):
        choices_from({"colour": "red"})


def test_differences_show_what_stood_in_the_place_of_what() -> None:
    before = "same\nwrite to ana@example.org soon\nsame again"
    assert [*differences(before, before.replace("ana@example.org", "[EMAIL]"))] == [
        ("write to ana@example.org soon", "write to [EMAIL] soon")
    ]
    long = "x " * 500
    assert all(len(text) < 200 for text in around(f"{long}a", f"{long}b"))
