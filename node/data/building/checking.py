"""Whether the files of the collections are as they were written: the owner asks, and the doctor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from node.data import manifest
from node.data.collection import checked_name, read_meta
from shared.errors import OwnerMustAct

Words = dict[str, Any]
Tell = Callable[[int, int], None]  # bytes read, in all


def check(data: Path, names: Sequence[str], *, full: bool, tell: Tell = lambda done, total: None) -> Words:
    """What is damaged, a sentence each, by collection; without `names` of all.

    `full`: every byte is read, else sizes are looked at. Raises OwnerMustAct for a collection that is not there.
    """
    sources = [data / checked_name(name) for name in names] or _all(data)
    for source in sources:
        if not source.is_dir():
            raise OwnerMustAct(f"There is no collection called {source.name}. See: potluck node data list")
    sizes = {source: _size(source) for source in sources}
    done, total = 0, sum(sizes.values())

    def read(more: int) -> None:
        nonlocal done
        done += more
        tell(done, max(total, done))

    found = {source.name: _damages(source, full=full, read=read) for source in sources}
    return {"checked": len(sources), "bytes": total, "full": full, "damages": {n: d for n, d in found.items() if d}}


def _all(data: Path) -> list[Path]:
    pages = (path for name in ("meta.json", manifest.NAME) for path in data.glob(f"[!.]*/{name}"))
    return sorted({path.parent for path in pages})


def _size(source: Path) -> int:
    try:
        return manifest.size(source)
    except OwnerMustAct:
        return 0  # told when it is looked at


def _damages(source: Path, *, full: bool, read: manifest.Read) -> list[str]:
    """Again, when it was replaced or got tokens in the meantime; nothing, when it was removed."""
    while source.is_dir():
        try:
            before = manifest.read_manifest(source)
            read_meta(source)
            found = manifest.damages(source, full=full, read=read)
            if not found or before == manifest.read_manifest(source):
                return found
        except OwnerMustAct as error:
            return [error.sentence] if source.is_dir() else []
    return []
