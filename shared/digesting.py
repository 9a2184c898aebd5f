"""A large file in one pass: while one block is written, another thread hashes it, and a third brings to the disk what
was written before, so that little is left to flush at the end.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO

from shared.ids import Digest

_LARGE = 1 << 18  # bytes that are worth another thread's while
_BLOCK = 1 << 22  # bytes written and hashed at a time: they stay near the processor
_FLUSHED = 1 << 25  # bytes after which the disk is given something to do


class Digesting:
    """Appends to `file`, as a context manager. Raises OSError when the disk fails, at the latest on leaving.

    The kernel tells of a failed flush only once for each open file: so no answer of a flush is dropped here.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash, self._unflushed = file, hashlib.sha256(), 0
        self._hasher, self._flusher = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._flush: Future[None] | None = None

    def __enter__(self) -> Digesting:
        return self

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes; the caller may use their memory again at once."""
        if len(data) < _LARGE:
            self._hash.update(data)
            self._file.write(data)
        else:
            whole = memoryview(data)
            for start in range(0, len(whole), _BLOCK):
                block = whole[start : start + _BLOCK]
                hashing = self._hasher.submit(self._hash.update, block)
                try:
                    self._file.write(block)
                finally:
                    hashing.result()
        self._unflushed += len(data)
        if self._unflushed >= _FLUSHED and (self._flush is None or self._flush.done()):
            self._settle()
            self._unflushed = 0
            self._flush = self._flusher.submit(_to_disk, self._file.fileno())

    @property
    def digest(self) -> Digest:
        """Of all that was written."""
        return Digest(self._hash.hexdigest())

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._hasher.shutdown()
        self._flusher.shutdown()
        if kind is None:
            self._settle()

    def _settle(self) -> None:
        if self._flush is not None:
            self._flush.result()


def _to_disk(handle: int) -> None:
    getattr(os, "fdatasync", os.fsync)(handle)
