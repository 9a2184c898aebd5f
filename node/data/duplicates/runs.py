"""A set of numbers on disk that grows: sorted files, merged now and then, and a part in memory that no file holds yet.

The truth is the caller's log (`entries` gives the numbers that its records first..last make); the files here are made
from it, each for a range of records, written whole or not at all. So after any crash the right files are those that
reach no further than the log, and the rest is made again. Nothing here is larger in memory than a few megabytes.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.disk import private_folder, replacing, sync_folder

Array = np.ndarray[Any, Any]
Entries = Callable[[int, int], Array]  # records first..last -> uint64[n], in any order

FLUSH = 1 << 13  # records in memory before they become a file
WINDOW = 1 << 18  # numbers (2 MiB) of a file looked at or merged at a time
MERGE_AT = 4  # neighbours whose sizes differ by no more than this factor become one


@dataclass(frozen=True, slots=True)
class Run:
    """One sorted file of uint64."""

    path: Path
    first: int  # records it was made of
    last: int
    fences: Array  # uint64: the first number of each window
    count: int

    @classmethod
    def at(cls, path: Path) -> Run:
        first, last = path.stem.split("-")
        count = path.stat().st_size // 8
        with open(path, "rb") as file:
            fences = [_read(file, begin, 1)[0] for begin in range(0, count, WINDOW)]
        return cls(path, int(first), int(last), np.array(fences, np.uint64), count)


class Runs:
    """The set. `numbers` are uint64."""

    def __init__(self, folder: Path, entries: Entries, length: int, flush: int = FLUSH) -> None:
        """With the records 0..length of the log. Files that reach beyond are of a build that was rolled back."""
        self._folder = private_folder(folder)
        self._entries, self._many = entries, flush
        self._runs: list[Run] = []
        self._tail: list[Array] = []
        self._open(length)
        self._write_down(length)
        self.put(entries(self.flushed, length))

    @property
    def flushed(self) -> int:
        """Records that the files hold."""
        return self._runs[-1].last if self._runs else 0

    def put(self, numbers: Array) -> None:
        """Remember them in memory: the log has them already."""
        if len(numbers):
            self._tail.append(np.sort(numbers))
        while len(self._tail) > 1 and len(self._tail[-2]) < 2 * len(self._tail[-1]):
            merged = np.concatenate([self._tail.pop(), self._tail.pop()])
            merged.sort(kind="stable")  # quick on what is sorted in pieces
            self._tail.append(merged)

    def find(self, low: Array, high: Array, most: int) -> Array:
        """The numbers of the set in low[i]..high[i] (both included), in no order; of each range the `most` least.

        (More than `most` where a range lies across files.) `low` must be sorted and the ranges apart.
        """
        found = [ranges(part, low, high, most)[1] for part in self._tail]
        for run in self._runs:
            found.extend(_search(run, low, high, most))
        return np.concatenate(found) if found else np.empty(0, np.uint64)

    def flush(self, safe: int, length: int) -> None:
        """Write the records before `safe` to a file, if they are many; `safe` is what will not be rolled back."""
        if self._write_down(safe):
            self._tail = []
            self.put(self._entries(self.flushed, length))

    def _write_down(self, last: int) -> bool:
        """Files up to record `last`, whenever enough have come together, and neighbours of a size made one."""
        written = False
        while last - self.flushed >= self._many:
            first = self.flushed
            self._runs.append(
                self._write(first, first + self._many, [np.sort(self._entries(first, first + self._many))])
            )
            while len(self._runs) > 1 and self._runs[-2].count <= MERGE_AT * self._runs[-1].count:
                right, left = self._runs.pop(), self._runs.pop()
                self._runs.append(self._write(left.first, right.last, merged(left, right)))
                left.path.unlink()
                right.path.unlink()
            written = True
        return written

    def _write(self, first: int, last: int, parts: Iterable[Array]) -> Run:
        path = self._folder / f"{first}-{last}.run"
        with replacing(path) as file:
            for part in parts:
                file.write(part.data)
        return Run.at(path)

    def _open(self, length: int) -> None:
        """Keep the files that follow one another up to `length`, the larger of two that overlap."""
        found = [Run.at(path) for path in self._folder.glob("*.run")]
        for run in sorted(found, key=lambda run: (run.first, -run.last)):
            if run.first == self.flushed and run.first < run.last <= length:
                self._runs.append(run)
            else:
                run.path.unlink()
        for path in self._folder.glob(".*.new"):  # of a process that was killed
            path.unlink()
        sync_folder(self._folder)  # a file of what was rolled back must not come back


def ranges(numbers: Array, low: Array, high: Array, most: int) -> tuple[Array, Array]:
    """(i, number) for the first `most` numbers in low[i]..high[i] of a sorted array."""
    begin = np.searchsorted(numbers, low, "left")
    (hit,) = np.nonzero(begin < len(numbers))
    hit = hit[numbers[begin[hit]] <= high[hit]]  # few: most are not there
    begin = begin[hit]
    many = np.minimum(np.searchsorted(numbers, high[hit], "right") - begin, most)
    place = np.arange(many.sum()) + np.repeat(begin - np.cumsum(many) + many, many)
    return np.repeat(hit, many), numbers[place]


def merged(left: Run, right: Run) -> Iterator[Array]:
    """The numbers of both in order, a few megabytes at a time."""
    edges = np.sort(np.concatenate([left.fences, right.fences]))[1:].tolist()
    places = [0, 0]
    with open(left.path, "rb") as one, open(right.path, "rb") as other:
        for edge in [*edges, None]:
            parts = []
            for side, (run, file) in enumerate(((left, one), (right, other))):
                part = _read(file, places[side], WINDOW)
                stop = len(part) if edge is None else int(np.searchsorted(part, np.uint64(edge), "left"))
                assert edge is not None or places[side] + stop == run.count
                parts.append(part[:stop])
                places[side] += stop
            both = np.concatenate(parts)
            both.sort(kind="stable")
            yield both


def _search(run: Run, low: Array, high: Array, most: int) -> Iterator[Array]:
    """Window by window, each mapped only while it is looked at: pages of a mapping count as memory of ours."""
    if run.count == 0:  # all its records were copies
        return
    begins = np.maximum(np.searchsorted(run.fences, low, "left") - 1, 0)
    ends = np.maximum(np.searchsorted(run.fences, high, "right") - 1, 0)
    with open(run.path, "rb") as file:
        for window in np.union1d(begins, ends).tolist():
            chosen = np.flatnonzero((begins <= window) & (window <= ends))
            begin = window * WINDOW
            size = 8 * min(WINDOW, run.count - begin)
            with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ, offset=8 * begin) as mapped:
                part = np.frombuffer(mapped, np.uint64)
                _, numbers = ranges(part, low[chosen], high[chosen], most)
                del part
            yield numbers


def _read(file: Any, begin: int, count: int) -> Array:
    file.seek(8 * begin)
    return np.frombuffer(file.read(8 * count), np.uint64)
