"""A file of equal records that only grows at its end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.disk import disk_trouble
from shared.errors import OwnerMustAct

Array = np.ndarray[Any, Any]


class Log:
    """Records of one numpy dtype. What was appended is on the disk for good after `sync`."""

    def __init__(self, path: Path, dtype: Any, length: int | None = None) -> None:
        """Open or make it, cut to `length` records (None: whole records). Raises OwnerMustAct when some are missing."""
        self.path, self.dtype = path, np.dtype(dtype)
        self._file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)  # noqa: SIM115  (see close)
        have = path.stat().st_size // self.dtype.itemsize
        self.length = have if length is None else length
        if have < self.length:
            self._file.close()
            raise OwnerMustAct(
                f"{path} has {have:,} of {self.length:,} records: the list of known documents is damaged. "
                f"Remove the folder {path.parent} and add your sources again."
            )
        self._file.truncate(self.length * self.dtype.itemsize)

    def append(self, records: Array) -> None:
        """Raises OwnerMustAct when the disk is full; open it anew after that."""
        assert records.nbytes == len(records) * self.dtype.itemsize
        data = memoryview(records.tobytes())
        try:
            self._file.seek(self.length * self.dtype.itemsize)
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise disk_trouble(error, self.path) from error
        self.length += len(records)

    def read(self, first: int, last: int) -> Array:
        """Records first..last (last not included)."""
        self._file.seek(first * self.dtype.itemsize)
        return np.frombuffer(self._file.read((last - first) * self.dtype.itemsize), self.dtype)

    def pick(self, numbers: Sequence[int]) -> Array:
        """These records, one read each."""
        size = self.dtype.itemsize
        found = bytearray()
        for number in numbers:
            self._file.seek(number * size)
            found += self._file.read(size)
        return np.frombuffer(bytes(found), self.dtype)

    def sync(self) -> None:
        """Flush it to the disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise disk_trouble(error, self.path) from error

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
