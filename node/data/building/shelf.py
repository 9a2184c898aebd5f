"""The index of duplicates and who writes it: one source at a time, the finished ones and one or more in the making.

A source is known to the index by a label, NAME and six letters, so that one that replaces another of its name is told
apart from it. The file `writer` beside the index names the source that last wrote: another one that begins, or goes on,
first cuts off what that one wrote and did not commit.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from node.data import collection
from node.data.building.journal import Journal
from node.data.duplicates.index import Index
from node.data.duplicates.sources import Sources
from shared.disk import write

REMOVED = "a removed collection."  # the label that counts of copies have when their source is gone


def new_label(name: str) -> str:
    return f"{name}.{secrets.token_hex(3)}"


def name_of(label: str) -> str:
    return label.rpartition(".")[0]


def opened(data: Path, label: str, replacing: str) -> Index:
    """The index, ready for `label`; what `replacing` brought is not compared with.

    Whoever opens it notes its length in the journal of `label`, then says `take`, then adds to it.
    """
    return Index.open(folder_of(data), last(data), [replacing] if replacing else [])


def take(data: Path, label: str) -> None:
    """From now on `label` writes it."""
    write(folder_of(data) / "writer", label.encode())


def folder_of(data: Path) -> Path:
    """Hidden, since a source may be called anything else."""
    return data / ".index"


def sweep(data: Path) -> None:
    """Forget sources that are neither here nor in the making: removed, replaced, given up."""
    path = folder_of(data) / "sources.json"
    if not path.exists():
        return
    sources, living = Sources(path), {*_labels(data)}
    gone = [name for name in map(sources.name, sources.living()) if name not in living]
    if gone:
        with Index.open(folder_of(data), last(data)) as index:
            for label in gone:
                index.remove(label)
    writer = folder_of(data) / "writer"
    if writer.exists() and writer.read_text("utf-8") not in living:
        writer.unlink()  # what it wrote is committed, or cut off by now


def _labels(data: Path) -> Iterator[str]:
    for meta in data.glob("[!.]*/meta.json"):
        yield collection.label_of(meta.parent)
    for path in data.glob(".*.new/.state.db"):
        with Journal(path) as journal:
            yield str((journal.plan() or {}).get("label", ""))


def last(data: Path) -> int | None:
    writer = folder_of(data) / "writer"
    return _place_of(data, writer.read_text("utf-8") if writer.exists() else "")


def _place_of(data: Path, label: str) -> int | None:
    """What the journal of a source in the making says; None: it is finished, or gone, and its last commit counts."""
    path = data / f".{name_of(label)}.new" / ".state.db"
    if not label or not path.exists():
        return None
    with Journal(path) as journal:
        plan = journal.plan()
        if plan is None or plan["label"] != label:
            return None
        # Whoever opened the index has noted its length.
        return int(journal.merged()[1]["index"])
