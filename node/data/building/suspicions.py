"""What may have been planted, gathered unit by unit: in memory, and in a file from which it is gathered again.

The file only grows, like all that is committed; where it gets long, what it says goes into a new one as a whole.
"""

from __future__ import annotations

import os
from pathlib import Path

from node.data.screening import Poison

LONGEST = 64 << 20  # bytes, then a new file
_SIZE = 8  # bytes of the length before each entry


class Suspicions:
    """A context manager; `place` is what `committed` returned, [0, 0] for a new one."""

    def __init__(self, folder: Path, place: list[int]) -> None:
        self._folder = folder
        self._number, self._length = place
        self.poison = Poison()

    def __enter__(self) -> Suspicions:
        path = self._path(self._number)
        self._file = open(path, "r+b" if path.exists() else "w+b")
        self._file.truncate(self._length)
        while size := int.from_bytes(self._file.read(_SIZE), "little"):
            self.poison.merge(Poison.from_bytes(self._file.read(size)))
        for other in self._folder.glob(".poison-*"):
            if other != path:
                other.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, data: bytes) -> None:
        """What a worker found in one unit."""
        self.poison.merge(Poison.from_bytes(data))
        self._write(data)

    def committed(self) -> list[int]:
        """All of it, on the disk. The file before a new one is left until it is opened again: a journal may need it."""
        if self._file.tell() > LONGEST:
            self._file.close()
            self._number += 1
            self._file = open(self._path(self._number), "w+b")  # noqa: SIM115  closed in __exit__
            self._write(self.poison.to_bytes())
            for old in range(self._number - 1):
                self._path(old).unlink(missing_ok=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        return [self._number, self._file.tell()]

    def _write(self, data: bytes) -> None:
        self._file.write(len(data).to_bytes(_SIZE, "little") + data)

    def _path(self, number: int) -> Path:
        return self._folder / f".poison-{number}"
