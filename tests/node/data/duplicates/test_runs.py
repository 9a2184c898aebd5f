"""The set of numbers on disk, against Python's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.data.duplicates.runs import WINDOW, Runs

Array = np.ndarray[Any, Any]


COPIES = 10**9  # records of such numbers have no entry


class Source:
    """A log in memory."""

    def __init__(self) -> None:
        self.numbers = np.empty(0, np.uint64)

    def entries(self, first: int, last: int) -> Array:
        part = self.numbers[first:last]
        return part[part < COPIES]

    def append(self, numbers: Array) -> None:
        self.numbers = np.concatenate([self.numbers, numbers])


def within(runs: Runs, low: int, high: int) -> list[int]:
    found: list[int] = runs.find(np.array([low], np.uint64), np.array([high], np.uint64), 10**6).tolist()
    return sorted(found)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["add", "copies", "commit", "open", "back"]), st.integers(1, 30)), max_size=30),
    st.data(),
)
def test_it_holds_what_was_put_in_through_restarts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    source = Source()
    runs = Runs(folder, source.entries, 0, flush=8)
    committed = [0]
    chance = np.random.default_rng(1)
    for step, many in steps:
        match step:
            case "add":
                numbers = chance.integers(0, 1000, many, dtype=np.uint64)
                source.append(numbers)
                runs.put(numbers)
            case "copies":
                source.append(np.full(many, COPIES, np.uint64))
            case "commit":
                runs.flush(committed[-1], len(source.numbers))
                committed.append(len(source.numbers))
            case "open" | "back":  # at the last commit, or the one before
                if step == "back" and len(committed) > 1:
                    committed.pop()
                source.numbers = source.numbers[: committed[-1]]
                runs = Runs(folder, source.entries, committed[-1], flush=8)
        low = data.draw(st.integers(0, 1000))
        expected = [int(number) for number in np.sort(source.numbers) if low <= number <= low + 100]
        assert within(runs, low, low + 100) == expected


def test_a_crash_between_a_merge_and_its_tidying_changes_nothing(tmp_path: Path) -> None:
    source = Source()
    runs = Runs(tmp_path, source.entries, 0, flush=8)
    every: dict[Path, bytes] = {}
    for first in range(0, 200, 5):
        numbers = np.arange(first, first + 5, dtype=np.uint64) * np.uint64(3)
        source.append(numbers)
        runs.put(numbers)
        runs.flush(first, first + 5)
        every |= {path: path.read_bytes() for path in tmp_path.iterdir()}
        for path, data in every.items():  # all that was ever there
            path.write_bytes(data)
        (tmp_path / ".0-8.run.123.new").write_bytes(b"half")
        runs = Runs(tmp_path, source.entries, len(source.numbers), flush=8)
        assert within(runs, 0, 1000) == source.numbers.tolist()
    assert len(list(tmp_path.iterdir())) < 5


def test_records_that_are_all_copies_make_no_trouble(tmp_path: Path) -> None:
    source = Source()
    source.append(np.full(50, COPIES, np.uint64))
    for _ in range(2):
        runs = Runs(tmp_path, source.entries, len(source.numbers), flush=8)
        assert len(within(runs, 0, 2 * COPIES)) == (len(source.numbers) - 50) // 32 * 20
        source.append(np.arange(20, dtype=np.uint64))
        source.append(np.full(12, COPIES, np.uint64))
    runs = Runs(tmp_path, source.entries, len(source.numbers), flush=8)
    assert within(runs, 5, 5) == [5, 5]


def test_large_files_are_merged_and_searched_in_windows(tmp_path: Path) -> None:
    source = Source()
    source.append(np.random.default_rng(2).permutation(2 * WINDOW + 5000).astype(np.uint64) * np.uint64(7))
    runs = Runs(tmp_path, source.entries, len(source.numbers), flush=WINDOW)
    assert [path.name for path in tmp_path.iterdir()] == [f"0-{2 * WINDOW}.run"]
    merged = np.fromfile(tmp_path / f"0-{2 * WINDOW}.run", np.uint64)
    assert (np.diff(merged.astype(np.int64)) > 0).all()
    wanted = np.sort(np.random.default_rng(3).choice(source.numbers, 1000, replace=False))
    assert sorted(runs.find(wanted, wanted, 1).tolist()) == wanted.tolist()
    assert len(runs.find(wanted + np.uint64(1), wanted + np.uint64(6), 9)) == 0
    edge = int(merged[WINDOW])
    assert within(runs, edge - 21, edge + 14) == list(range(edge - 21, edge + 15, 7))


def test_of_a_popular_range_the_least_are_found(tmp_path: Path) -> None:
    source = Source()
    source.append(np.arange(100, dtype=np.uint64))
    runs = Runs(tmp_path, source.entries, 100)
    assert runs.find(np.array([10], np.uint64), np.array([90], np.uint64), 3).tolist() == [10, 11, 12]
