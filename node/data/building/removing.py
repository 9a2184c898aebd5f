"""A source goes: its shards, its tokens, what the index of duplicates knows of it, and its name wherever it stands."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from node.data import collection, manifest
from node.data.building import choices, shelf
from node.data.building.journal import Journal
from node.data.building.reporting import write_report
from node.data.building.sweeping import sweep
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
    if not any(path.exists() for path in (target, beside, *collection.halves(target))):
        raise OwnerMustAct(f"There is no collection called {name}. These are here: {_names(data) or 'none'}.")
    with turn(data / ".lock"):
        sweep(data)
        label = collection.label_of(target)
        size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) if target.exists() else 0
        _make_room(target)
        left_out = _left_out(data, label)
        _forget_name(data, target)
        if target.exists():
            collection.take_away(target)
        shutil.rmtree(beside, ignore_errors=True)
        shelf.sweep(data)
    return {"name": name, "bytes": size, "left_out": left_out}


def _make_room(target: Path) -> None:
    """On a full disk, for what is written when a source goes. Stopped after it? Its tokens are counted again."""
    if target.exists():
        with turn(target / collection.LOCK):
            for tokens in target.glob("tokens-*"):
                shutil.rmtree(tokens)


def _left_out(data: Path, label: str) -> dict[str, int]:
    """Documents of other sources that are copies of this one's, and stand nowhere now."""
    if not label or not shelf.folder_of(data).exists():
        return {}
    with Index.open(shelf.folder_of(data), shelf.last(data)) as index:
        return {shelf.name_of(other): count for other, count in index.left_out(label).items()}


def _forget_name(data: Path, target: Path) -> None:
    """Other sources tell, in their counts and reports, whose copies they left out. The journal is changed last."""
    name = target.name
    for path in (*data.glob("[!.]*/.state.db"), *data.glob(".*.new/.state.db")):
        if path.parent == target:
            continue
        with Journal(path) as journal:
            labels = [label for label in journal.copied() if shelf.name_of(label) == name]
            if labels and not path.parent.name.startswith("."):
                with suppress(OwnerMustAct):  # damaged, and to be added again anyway
                    _tell_anew(path.parent, name, journal)
            for label in labels:
                journal.rename_copied(label, shelf.REMOVED)


def _tell_anew(source: Path, name: str, journal: Journal) -> None:
    """Its pages without that name."""
    meta = collection.read_meta(source)
    copies_of = Counter(meta["copies_of"])
    copies_of[shelf.name_of(shelf.REMOVED)] += copies_of.pop(name, 0)
    meta["copies_of"] = dict(+copies_of)
    write_report(source, choices.load(source / "choices.json"), meta, journal)
    manifest.note_counts(source, meta)
    collection.write_meta(source, meta)


def _names(data: Path) -> str:
    return ", ".join(sorted(meta.parent.name for meta in data.glob("[!.]*/meta.json")))
