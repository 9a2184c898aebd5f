"""What is to be read, cut into units of work. Pure.

A unit is small against the whole, so that a kill costs little; and never so small that starting it costs more than it.
The cut depends on the input alone: one core and sixteen make the same units, and so the same shards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

SMALLEST, LARGEST = 64 << 10, 1 << 20  # bytes of input in a unit
UNITS = 4000  # in all, where the bounds allow it
MOST_PARTS = 256  # files in a unit: an empty file costs something, too


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or a stretch of one."""

    name: str
    size: int  # of the file, in bytes
    mtime_ns: int
    bytes: int  # of input, about: what it counts for
    start: int = 0
    stop: int | None = None  # None: to its end
    tested: bool = False  # the owner named it as a test file
    export: str = ""  # which program's chat export it is


@dataclass(frozen=True, slots=True)
class Unit:
    number: int
    parts: tuple[Part, ...]

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)


def unit_bytes(total: int) -> int:
    """How much input a unit should have, of `total` bytes in all."""
    return min(max(total // UNITS, SMALLEST), LARGEST)


def units(parts: Iterable[Part], size: int) -> Iterator[Unit]:
    """Parts in their order, gathered until a unit has `size` bytes."""
    number, gathered, weight = 0, list[Part](), 0
    for part in parts:
        gathered.append(part)
        weight += part.bytes
        if weight >= size or len(gathered) == MOST_PARTS:
            yield Unit(number, tuple(gathered))
            number, gathered, weight = number + 1, [], 0
    if gathered:
        yield Unit(number, tuple(gathered))


def part_words(part: Part) -> list[Any]:
    return [part.name, part.size, part.mtime_ns, part.bytes, part.start, part.stop, part.tested, part.export]


def part_from(words: list[Any]) -> Part:
    return Part(*words)
