"""Reading without keeping: what would become of a folder, told from a sample of it; and what was chosen before."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from node.data import collection
from node.data.building import build, choices, refining, shelf, spool
from node.data.building.choices import Choices
from node.data.building.finding import Found
from node.data.building.journal import Journal
from node.data.building.meta import meta_of
from node.data.building.plan import Unit, unit_bytes, units
from node.data.building.refining import Work
from node.data.building.sweeping import DRY_RUN, sweep_dry_runs
from node.data.chats.people import read_key
from node.data.duplicates.index import Index
from shared.disk import private_folder, turn

SAMPLE = 64 << 20  # bytes of input that are read, about

Words = dict[str, Any]


def try_out(wish: build.Wish, group_key: bytes, cores: int, tell: build.Tell) -> Words:
    """The counts that the source would have, were it only a sample of the folder; nothing is left behind.

    Copies are found within the sample, not among other sources. One at a time, so that what a killed one left can go.
    Raises OwnerMustAct where adding would.
    """
    data = private_folder(wish.home / "data")
    build.refuse_taken(data / collection.checked_name(wish.name), wish)
    refining.versions(wish.choices)  # loads them: what is wrong is said at once
    found = Found(wish.folder, wish.choices)
    with turn(data / DRY_RUN):
        sweep_dry_runs(data)
        with tempfile.TemporaryDirectory(prefix=f"{DRY_RUN}-", dir=data) as name:
            return _tried(Path(name), wish, found, group_key, cores, tell)


def _tried(beside: Path, wish: build.Wish, found: Found, group_key: bytes, cores: int, tell: build.Tell) -> Words:
    with Journal(beside / ".state.db") as journal:
        label = shelf.new_label(wish.name)
        private_folder(spool.folder_of(beside, label))
        made_of = {"label": label, "filters": {}}
        journal.write_plan(made_of, sample(units(found.parts(), unit_bytes(found.bytes)), found.bytes), found)
        work = Work(wish.folder.resolve(), group_key, read_key(wish.home / "data" / ".pseudonyms"), wish.choices)
        with Index.open(beside / "index") as index:
            build.merge_all(beside, work, journal, index, cores, wish.home / "log" / "data.log", tell, dry=True)
        _, read = journal.totals()
        return {**meta_of(wish, group_key, journal), "dry_run": True, "read_bytes": read, "folder_bytes": found.bytes}


def sample(all_units: Iterator[Unit], total: int) -> Iterator[Unit]:
    """Every nth unit, so that about SAMPLE bytes are read."""
    step = max(1, total // SAMPLE)
    for unit in all_units:
        if unit.number % step == 0:
            yield replace(unit, number=unit.number // step)


def earlier(data: Path, name: str) -> Choices | None:
    """What was chosen for the source of that name, begun or finished."""
    begun, finished = data / f".{name}.new" / ".state.db", data / name / "choices.json"
    if begun.exists():
        with Journal(begun) as journal:
            plan = journal.plan()
        if plan is not None:
            return choices.choices_from(plan["choices"])
    return choices.choices_from(json.loads(finished.read_bytes())) if finished.exists() else None
