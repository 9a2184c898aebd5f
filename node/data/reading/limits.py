"""What an archive may unpack to, so that a small file from a stranger cannot fill the memory, the disk or the night."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class Refused(Exception):
    """What lies before us is not read, or not further; the reason is for the report."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Exhausted(Refused):
    """One of the limits of the whole file is reached: nothing more of it is read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """For one file of the folder, with all that is packed into it."""

    unpacked: int = 200 << 30  # bytes
    ratio: int = 100  # of unpacked bytes to the file's own; text seldom packs better than 20
    free: int = 64 << 20  # bytes that may be unpacked whatever the ratio: small files pack better
    members: int = 200_000
    depth: int = 4  # archives within archives; a .tar.gz is two
    whole: int = 256 << 20  # bytes of what must be held whole: a PDF, or a book or an archive inside an archive
    pdf_seconds: int = 120  # of processor time for one PDF
    pdf_patience: float = 1200.0  # seconds, on a PC that is busy with other things
    pdf_memory: int = 2 << 30  # bytes


USUAL = Limits()


class Budget:
    """What is left of the limits while one file is read."""

    def __init__(self, limits: Limits, size: int) -> None:
        self.limits = limits
        self.unpacked = 0  # bytes that came out so far
        self._read: Callable[[], int] = lambda: size
        self._members = limits.members

    def follow(self, read: Callable[[], int]) -> None:
        """The file is read from its beginning on: what may come out grows with the bytes `read` of it."""
        self._read = read

    def unpack(self, count: int) -> None:
        """`count` more bytes came out. Raises Exhausted when it is too much."""
        self.foresee(count)
        self.unpacked += count
        if self.unpacked > self.limits.unpacked:
            raise Exhausted("unpacks to too much (unpack it yourself)")

    def foresee(self, count: int) -> None:
        """As many more bytes would come out. Raises Exhausted when that is beyond the ratio."""
        if self.unpacked + count > max(self.limits.free, self.limits.ratio * self._read()):
            raise Exhausted(self.too_dense)

    def is_bomb(self, packed: int, unpacked: int) -> bool:
        """Whether a member alone is packed beyond the ratio."""
        return unpacked > max(self.limits.free, self.limits.ratio * packed)

    @property
    def too_dense(self) -> str:
        """The reason why something packed beyond the ratio is not read."""
        return f"unpacks to more than {self.limits.ratio} times its size (unpack it yourself if you trust it)"

    def member(self) -> None:
        """One more member is looked at. Raises Exhausted when there are too many."""
        self._members -= 1
        if self._members < 0:
            raise Exhausted(f"an archive of more than {self.limits.members:,} files (unpack it yourself)")
