"""A set of marks on disk, each with one bit beside it: which paragraphs of a source were met before, and how.

Memory is bounded; a mark takes 16 bytes of disk. Looked up by the batch: asking for each paragraph by itself would be
slow. Like the index it grows by records alone, and goes back to any length.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from node.data.duplicates.log import Log
from node.data.duplicates.runs import Runs
from shared.disk import private_folder

Array = np.ndarray[Any, Any]

USED = 8  # bytes of a mark; of 64 bits one is the flag's, so that two marks in 2**63 are taken for the same
FLUSH = 1 << 17  # marks in memory (1 MiB) before they become a file

_FLAG = np.uint64(1)


class Marks:
    """Marks are bytes, at least 8, as good as random; what is behind the eighth is not looked at."""

    def __init__(self, folder: Path, at: int) -> None:
        self._log = Log(private_folder(folder) / "marks", np.uint64, at)
        self._runs = Runs(folder / "runs", self._log.read, at, FLUSH)
        self._safe = at

    @classmethod
    def open(cls, folder: Path, at: int = 0) -> Marks:
        """The set in `folder` as it was when `commit` returned `at`. Raises OwnerMustAct when it holds less."""
        return cls(folder, at)

    def known(self, marks: Collection[bytes]) -> dict[bytes, bool]:
        """Those of the marks that are in the set, with their flags."""
        numbers = _numbers(marks)
        wanted = np.unique(numbers)
        found = self._runs.find(wanted, wanted | _FLAG, 1)
        flags = {number & ~1: bool(number & 1) for number in found.tolist()}
        pairs = zip(marks, numbers.tolist(), strict=True)
        return {mark: flags[number] for mark, number in pairs if number in flags}

    def add(self, marks: Mapping[bytes, bool]) -> None:
        """Put marks in that are not in yet. Raises OwnerMustAct when the disk is full: open the set anew after that."""
        numbers = _numbers(marks.keys()) | np.fromiter(marks.values(), np.uint64, len(marks))
        self._log.append(numbers)
        self._runs.put(numbers)

    def commit(self) -> int:
        """Make all that was added last, whatever happens; returns the length to come back to."""
        self._log.sync()
        self._runs.flush(self._safe, self._log.length)  # the caller's journal may still be one commit behind
        self._safe = self._log.length
        return self._safe

    def close(self) -> None:
        """What was not committed is forgotten when the set is opened again."""
        self._log.close()

    def __enter__(self) -> Marks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _numbers(marks: Collection[bytes]) -> Array:
    """uint64[n], the last bit free for the flag."""
    return np.frombuffer(b"".join(mark[:USED] for mark in marks), "<u8") & ~_FLAG
