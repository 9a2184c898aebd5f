"""Bytes that come one after the other, from a file or out of an archive: what every reader reads from."""

from __future__ import annotations

from typing import BinaryIO, Protocol

CHUNK = 1 << 20  # bytes fetched at a time


class Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class Stream:
    """Reads exactly what is asked for unless it ends, and can look ahead; with a `file` it can also be sought.

    Ends after `length` bytes, where that is given: a file that grows while it is read does not go on for ever.
    """

    def __init__(self, raw: Readable, file: BinaryIO | None = None, length: int | None = None) -> None:
        self._raw, self.file, self._length = raw, file, length
        self._ahead = b""
        self.at = 0  # bytes read so far

    def read(self, size: int = -1, /) -> bytes:
        """The next `size` bytes; fewer only at the end. All there is, when negative: for small things only."""
        parts = [self._ahead]
        have = len(self._ahead)
        wanted = size if size >= 0 else have + (1 << 62)
        if self._length is not None:
            wanted = min(wanted, self._length - self.at)
        while have < wanted:
            more = self._raw.read(min(CHUNK, wanted - have))
            if not more:
                break
            parts.append(more)
            have += len(more)
        data = b"".join(parts) if len(parts) > 2 or self._ahead else parts[-1]
        size = have if size < 0 else size
        self._ahead = data[size:]
        data = data[:size]
        self.at += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, which stay to be read."""
        data = self.read(size)
        self._ahead = data + self._ahead
        self.at -= len(data)
        return data

    def seek(self, offset: int) -> None:
        """Go to `offset`; needs `file`."""
        assert self.file is not None
        self.file.seek(offset)
        self._ahead = b""
        self.at = offset
