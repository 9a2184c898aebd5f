"""What putting the parts together costs: seconds per MB from folder to shards, over the sum of what the parts take.

Both on the same single core. The whole is the real thing: a worker process, spool files, commits that reach the disk,
and the time that its process takes to start. The parts are each given all documents at once, in this process.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from node.data import shards
from node.data.building import refining, spool
from node.data.building.build import Wish, build, kept
from node.data.building.choices import Choices
from node.data.building.finding import Found
from node.data.building.merging import Merger
from node.data.building.plan import Part, Unit, unit_bytes, units
from node.data.document import Document
from node.data.duplicates.index import Index
from node.data.duplicates.signatures import signatures, words_of
from node.data.screening import Poison
from tests.benchmarks import real_text
from tests.benchmarks.report import Figure

MEGABYTES = 60
KEY = b"k" * 32
T = TypeVar("T")


@dataclass
class Clock:
    """Seconds by what was done."""

    seconds: dict[str, float] = field(default_factory=dict)

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        made = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
        return made


def measure(folder: Path, megabytes: float = MEGABYTES) -> Figure:
    """One run of the whole between two of the parts, whose mean counts."""
    size = real_text.folder_of(folder / "text", megabytes) / 1e6
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    try:
        before = alone(folder / "before", folder / "text")
        began = time.perf_counter()
        build(Wish(folder / "home", folder / "text", "text", Choices()), KEY, cores=1)
        whole = time.perf_counter() - began
        after = alone(folder / "after", folder / "text")
    finally:
        os.sched_setaffinity(0, everywhere)
    parts = {name: (before[name] + after[name]) / 2 for name in before}
    total = sum(parts.values())
    told = ", ".join(f"{name} {1000 * seconds / size:.0f}" for name, seconds in parts.items())
    detail = f"{size:.0f} MB: whole {1000 * whole / size:.0f} ms a MB, parts {1000 * total / size:.0f} ({told})"
    return Figure("data_throughput", whole / total, "ratio", 1.2, "lower", detail).explained(
        f"starting processes, spool files, commits: {whole - total:.1f} s in all"
    )


def alone(room: Path, text: Path) -> dict[str, float]:
    """Seconds of each part. What is loaded once (models, compiled code) is loaded before."""
    choices, clock = Choices(), Clock()
    filters = refining.stages(choices)
    for stage in filters:
        stage(Document("warm.txt", "so that what is loaded once is there, in English words"), Counter())
    signatures(["so that the compiled code is there"])
    work = refining.Work(text, KEY, KEY, choices)
    found = clock("list", lambda: Found(text, choices))
    parts = clock("list", lambda: [*found.parts()])
    read = clock("read", lambda: _documents(work, parts))
    made = read
    for stage in filters:
        made = clock(stage.name, lambda stage=stage, made=made: _through(stage, made))  # type: ignore[misc]
    clock("poison", lambda: _poison(read, made))
    refiner = refining.Refiner(work)
    lines = clock("marks", lambda: [refiner.marked(a, b, parts[0]) for a, b in zip(read, made, strict=True)])
    signed = clock("signatures", lambda: [refining.signed([words_of(document)]) for document in made])
    merged = [one for pair in zip(lines, signed, strict=True) for one in pair]
    room.mkdir()
    clock("spool", lambda: _spooled(room, merged, [*units(parts, unit_bytes(found.bytes))]))
    with Index.open(room / "index") as index, Merger(room, "text.1", index, choices, {}) as merger:
        clock("merge and shards", lambda: merger.take(merged))
        clock("merge and shards", merger.committed)
    poison = _poison(read, made)
    clock("phrases", lambda: poison.findings(kept(room)))
    assert any(shards.read(room, "train"))
    return clock.seconds


def _documents(work: refining.Work, parts: list[Part]) -> list[Document]:
    found = (one for part in parts for one in refining.read(work, part, Counter()))
    return [one for one in found if isinstance(one, Document)]


def _through(stage: refining.Filter, documents: list[Document]) -> list[Document]:
    """Whoever is dropped goes on as it was: each part has the same documents."""
    went = ((document, stage(document, Counter())) for document in documents)
    return [after if isinstance(after, Document) else before for before, after in went]


def _poison(read: list[Document], made: list[Document]) -> Poison:
    poison = Poison()
    for before, after in zip(read, made, strict=True):
        poison.add(before, after)
    poison.to_bytes()
    return poison


def _spooled(room: Path, lines: list[dict[str, Any]], of: list[Unit]) -> None:
    """As many files as there are units."""
    each = -(-len(lines) // len(of))
    for number in range(len(of)):
        path = room / f"{number}"
        spool.write(path, lines[number * each : (number + 1) * each])
        spool.is_whole(path)
        for _ in spool.read(path):
            pass
        path.unlink()
