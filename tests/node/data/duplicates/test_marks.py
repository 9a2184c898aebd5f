"""The set of paragraphs' marks on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from node.data.duplicates.marks import FLUSH, Marks
from shared.errors import OwnerMustAct


def mark(number: int) -> bytes:
    return hashlib.blake2b(str(number).encode(), digest_size=16).digest()


def test_marks_are_known_with_their_flags(tmp_path: Path) -> None:
    with Marks.open(tmp_path) as marks:
        assert marks.known([mark(1)]) == {}
        assert marks.known([]) == {}
        marks.add({mark(1): True, mark(2): False})
        marks.add({})
        marks.add({mark(3): True})
        assert marks.known([mark(4), mark(3), mark(2), mark(1), mark(3)]) == {
            mark(3): True,
            mark(2): False,
            mark(1): True,
        }


def test_marks_go_back_to_a_commit(tmp_path: Path) -> None:
    with Marks.open(tmp_path) as marks:
        marks.add({mark(1): True})
        at = marks.commit()
        marks.add({mark(2): False})
        later = marks.commit()
        marks.add({mark(3): False})
    with Marks.open(tmp_path, later) as marks:
        assert marks.known([mark(1), mark(2), mark(3)]) == {mark(1): True, mark(2): False}
    with Marks.open(tmp_path, at) as marks:
        assert marks.known([mark(1), mark(2), mark(3)]) == {mark(1): True}
    with pytest.raises(OwnerMustAct, match="damaged"):
        Marks.open(tmp_path, later)
    with Marks.open(tmp_path) as marks:
        assert marks.known([mark(1)]) == {}


def test_many_marks_lie_in_files(tmp_path: Path) -> None:
    every = [number.to_bytes(8, "little") for number in range(0, 2 * (FLUSH + 10), 2)]  # the last bit is the flag's
    with Marks.open(tmp_path) as marks:
        marks.add({one: place % 3 == 0 for place, one in enumerate(every)})
        marks.commit()
        at = marks.commit()
        assert [path.suffix for path in (tmp_path / "runs").iterdir()] == [".run"]
        assert marks.known(every[::50_000]) == {
            one: place * 50_000 % 3 == 0 for place, one in enumerate(every[::50_000])
        }
    with Marks.open(tmp_path, at) as marks:
        assert len(marks.known(every[-1000:])) == 1000
