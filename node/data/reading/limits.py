"""What an archive may unpack to, so that a small file from a stranger cannot fill the memory, the disk or the night."""

from __future__ import annotations

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
        self._bytes = min(limits.unpacked, max(limits.free, limits.ratio * size))
        self._by_ratio = self._bytes < limits.unpacked
        self._members = limits.members

    def unpack(self, count: int) -> None:
        """`count` more bytes came out. Raises Exhausted when it is too much."""
        self._bytes -= count
        if self._bytes < 0:
            ratio = f"unpacks to more than {self.limits.ratio} times its size (unpack it yourself if you trust it)"
            raise Exhausted(ratio if self._by_ratio else "unpacks to too much (unpack it yourself)")

    def member(self) -> None:
        """One more member is looked at. Raises Exhausted when there are too many."""
        self._members -= 1
        if self._members < 0:
            raise Exhausted(f"an archive of more than {self.limits.members:,} files (unpack it yourself)")
