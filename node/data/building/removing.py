"""A source goes: its shards, its tokens, what the index of duplicates knows of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from node.data import collection
from node.data.building import shelf
from node.data.duplicates.index import Index
from shared.disk import turn
from shared.errors import OwnerMustAct

Words = dict[str, Any]


def remove(home: Path, name: str) -> Words:
    """What was removed, and from which sources copies of it were left out. Raises OwnerMustAct when there is none.

    A trainer that has its tokens mapped goes on with them until its round ends.
    """
    data = home / "data"
    target = data / collection.checked_name(name)
    beside = data / f".{name}.new"
    if not target.exists() and not beside.exists():
        raise OwnerMustAct(f"There is no collection called {name}. These are here: {_names(data) or 'none'}.")
    with turn(data / ".lock"):
        label = collection.label_of(target)
        left_out = _left_out(data, label)
        size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) if target.exists() else 0
        if target.exists():
            collection.take_away(target)
        shutil.rmtree(beside, ignore_errors=True)
        shelf.sweep(data)
    return {"name": name, "bytes": size, "left_out": left_out}


def _left_out(data: Path, label: str) -> dict[str, int]:
    """Documents of other sources that are copies of this one's, and stand nowhere now."""
    if not label or not shelf.folder_of(data).exists():
        return {}
    with Index.open(shelf.folder_of(data), shelf.last(data)) as index:
        return {shelf.name_of(other): count for other, count in index.left_out(label).items()}


def _names(data: Path) -> str:
    return ", ".join(sorted(meta.parent.name for meta in data.glob("[!.]*/meta.json")))
