"""What could not be read is told in bounded memory."""

from __future__ import annotations

from pathlib import Path

from node.data.building.choices import Choices
from node.data.building.finding import Found
from node.data.building.unread import NAMED, SUFFIXES, Unread
from node.data.document import Unreadable
from node.data.reading.kinds import NOT_READ, not_read


def test_every_one_is_counted_and_the_first_of_each_reason_are_named() -> None:
    unread = Unread({"damaged": NAMED - 2})
    for number in range(2 * NAMED):
        unread.add(Unreadable(f"a{number}", "damaged"))
        unread.add(Unreadable(f"b{number}", "not text"))
    assert unread.counts == {"damaged": 2 * NAMED, "not text": 2 * NAMED}
    assert [one.name for one in unread.named if one.reason == "damaged"] == ["a0", "a1"]
    assert len(unread.named) == NAMED + 2
    unread.clear()
    unread.add(Unreadable("late", "not text"))
    assert (unread.counts, unread.named) == ({"not text": 1}, [])


def test_so_many_suffixes_are_told_apart_and_the_rest_are_others() -> None:
    kinds = [not_read(f"a.x{number}") for number in range(5 * SUFFIXES)]
    unread = Unread({kinds[0]: 7})
    for kind in kinds * 3:
        unread.add(Unreadable("a", kind))
    assert unread.counts == {**dict.fromkeys(kinds[:SUFFIXES], 3), NOT_READ: 3 * 4 * SUFFIXES}
    unread.clear()
    for kind in (kinds[9], kinds[-1]):
        unread.add(Unreadable("a", kind))
    assert unread.counts == {kinds[9]: 1, NOT_READ: 1}


def test_a_folder_of_very_many_links_is_listed_in_bounded_memory(tmp_path: Path) -> None:
    for number in range(NAMED + 50):
        (tmp_path / f"{number}").symlink_to("/nowhere")
    found = Found(tmp_path, Choices())
    assert found.files == NAMED + 50 == sum(found.unreadable.counts.values())
    assert len(found.unreadable.named) == NAMED
