"""A folder becomes a source: planned, refined by workers, merged in order, put in place. The whole job, top to bottom.

Everything happens in `data/.NAME.new`, which a kill leaves as it is. Who starts the same again goes on: the shards are
cut back to what is committed, spool files that are whole are taken as they are, and at most the units that were under
way are done twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from node.data import collection, shards, tested
from node.data.building import choices as choices_
from node.data.building import refining, shelf, spool
from node.data.building.choices import Choices
from node.data.building.finding import Found
from node.data.building.journal import Journal
from node.data.building.merging import Merger
from node.data.building.meta import meta_of, why_nothing
from node.data.building.plan import Unit, unit_bytes, units
from node.data.building.refining import Refiner, Work
from node.data.building.reporting import write_report
from node.data.building.sweeping import sweep
from node.data.building.worker import refine
from node.data.building.workers import Workers
from node.data.chats.people import read_key
from node.data.document import Document
from node.data.duplicates.index import Index
from node.data.manifest import write_manifest
from node.data.screening import Poison
from shared.disk import private_folder, sync_folder, turn, write
from shared.errors import OwnerMustAct

FORMAT = 3  # of what lies in the folder beside; another one begins anew
COMMIT_SECONDS = 2.0
COMMIT_UNITS = 64

Words = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the owner asked for."""

    home: Path  # the node's home, which holds data/
    folder: Path
    name: str
    choices: Choices = field(default_factory=Choices)
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is, in bytes of input."""

    done: int
    total: int
    kept: int = 0  # of `done`, what an earlier start had done


Tell = Callable[[Progress], None]


def build(wish: Wish, group_key: bytes, cores: int = 0, tell: Tell = lambda progress: None) -> Words:
    """Make the source; returns its meta.json. `cores` worker processes; 0: all in this one.

    Whoever has done all that belongs to it says `collection.counted`; before that, the same wish finds it made. Raises
    OwnerMustAct (NameTaken) in words; then nothing that was there before has changed.
    """
    data = private_folder(wish.home / "data")
    target = data / collection.checked_name(wish.name)
    with turn(data / ".lock"):
        sweep(data)
        tidy(target)
        work = Work(wish.folder.resolve(), group_key, read_key(data / ".pseudonyms"), wish.choices)
        if is_made(target, work):
            shelf.sweep(data)
            return collection.read_meta(target)
        refuse_taken(target, wish)
        old = collection.label_of(target)
        beside = private_folder(data / f".{wish.name}.new")
        with Journal(beside / ".state.db") as journal:
            try:
                label = take_up_or_plan(wish.name, work, journal)
            except OwnerMustAct:
                if journal.plan() is None:
                    shutil.rmtree(beside)
                raise
            sweep_others(beside, label)
            shelf.sweep(data)
            with shelf.opened(data, label, old) as index:
                journal.place({"index": index.length})
                shelf.take(data, label)
                poison = merge_all(beside, work, journal, index, cores, wish.home / "log" / "data.log", tell)
            meta = meta_of(wish, group_key, journal)
            empty = not meta["train_documents"] and not meta["held_out_documents"]
            if not empty:
                write_pages(beside, wish.choices, meta, poison, journal)
        if empty:
            shutil.rmtree(beside)
            shelf.sweep(data)
            raise OwnerMustAct(f"Nothing in {wish.folder} could be used: {why_nothing(meta)}.")
        collection.put_in_place(beside, target)
        tidy(target)
        shelf.sweep(data)  # the old one's entries, if it replaced one
    return meta


def is_made(target: Path, work: Work) -> bool:
    """Whether it was made by the same words, which were stopped when all but its tokens was done."""
    if not (target / collection.UNCOUNTED).exists():
        return False
    with Journal(target / ".state.db") as journal:
        return _is_of(journal.plan(), work)


def refuse_taken(target: Path, wish: Wish) -> None:
    if target.exists() and not wish.replace:
        raise collection.NameTaken(
            f"There is a collection called {wish.name} already. Choose another name, "
            "or say --replace to put the new one in its place."
        )


def take_up_or_plan(name: str, work: Work, journal: Journal) -> str:
    """Keep the plan that is there if it was made of the same; else begin anew. Returns the label.

    Raises OwnerMustAct when that cannot be; then what was begun before may still go on.
    """
    there = journal.plan()
    if there is not None and _is_of(there, work):
        return str(there["label"])
    label = shelf.new_label(name)
    found = Found(work.source, work.choices)
    journal.write_plan({**_made_of(work), "label": label}, units(found.parts(), unit_bytes(found.bytes)), found)
    return label


def _is_of(plan: Words | None, work: Work) -> bool:
    made_of = json.loads(json.dumps(_made_of(work)))
    return plan is not None and {**plan, "label": ""} == {**made_of, "label": ""}


def _made_of(work: Work) -> Words:
    keys = hashlib.sha256(work.group_key + work.pseudonym_key).hexdigest()
    filters = refining.versions(work.choices)
    return {
        "format": FORMAT, "folder": str(work.source), "choices": asdict(work.choices), "filters": filters, "keys": keys,
    }  # fmt: skip


def sweep_others(beside: Path, label: str) -> None:
    """What an earlier plan made goes. The journal speaks of it no more, so whoever is killed here sweeps again."""
    ours = spool.folder_of(private_folder(beside), label)
    if ours.exists():
        return
    for path in beside.iterdir():
        if not path.name.startswith(".state.db"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    private_folder(ours)
    sync_folder(beside)


def merge_all(
    beside: Path, work: Work, journal: Journal, index: Index, cores: int, log: Path, tell: Tell, *, dry: bool = False
) -> Poison:
    """Every unit that is not merged yet, in order. Returns what may have been planted.

    `dry`: all but the shards.
    """
    private_folder(log.parent)
    first, places = journal.merged()
    label = str((journal.plan() or {})["label"])
    (_, total), kept = journal.totals(), journal.bytes_before(first)
    tell(Progress(kept, total, kept))
    done, merged, since = kept, first, time.monotonic()
    with (
        Merger(beside, label, index, work.choices, places, skipped=journal.skipped(), dry=dry) as merger,
        _refiners(beside, work, journal, cores, log) as refiners,
    ):
        taken: list[int] = []

        def commit() -> None:
            journal.commit(merged, merger.committed(), merger.counts, merger.unread)
            merger.counts.clear()
            merger.unread.clear()
            for number in taken:
                spool.path_of(beside, label, number).unlink()
            taken.clear()

        for unit in refiners.refined(first):
            merger.take(spool.read(spool.path_of(beside, label, unit.number)))
            taken.append(unit.number)
            done, merged = done + unit.bytes, unit.number + 1
            if len(taken) == COMMIT_UNITS or time.monotonic() - since >= COMMIT_SECONDS:
                commit()
                since = time.monotonic()
            tell(Progress(done, total, kept))
        commit()
        return merger.poison


def write_pages(source: Path, choices: Choices, meta: Words, poison: Poison, journal: Journal) -> None:
    """All that is told of the source: to the owner, to the trainer, to whoever wants to know if it is whole."""
    write(source / collection.UNCOUNTED, b"")
    findings = poison.findings(kept(source)) if choices.poison else []
    meta["findings"] = len(findings)
    if choices.hold_out:
        tested.note(source)
    write(source / "findings.json", json.dumps([asdict(one) for one in findings], ensure_ascii=False).encode())
    choices_.save(source / "choices.json", choices)
    collection.write_meta(source, meta)
    report = write_report(source, choices, meta, journal)
    write_manifest(
        source, counts=meta, filters=dict(report.filters), licence=choices.licence, shard_bytes=choices.shard_bytes
    )


def tidy(source: Path) -> None:
    """Only what a finished source needs: shards, journal, pages."""
    for path in (*source.glob("units*"), source / ".marks"):
        shutil.rmtree(path, ignore_errors=True)
    for path in source.glob(".poison-*"):
        path.unlink()


def kept(source: Path) -> Iterator[Document]:
    """The documents in a finished source's training shards."""
    for sample in shards.read(source, "train"):
        yield Document(sample["json"]["file"], sample["txt"])


class Refiners(Protocol):
    """Worker processes, or this one."""

    def __enter__(self) -> Refiners: ...
    def __exit__(self, *_: object) -> None: ...
    def refined(self, first: int) -> Iterator[Unit]: ...


def _refiners(beside: Path, work: Work, journal: Journal, cores: int, log: Path) -> Refiners:
    return Workers(beside, work, journal, cores, log) if cores else Here(beside, work, journal)


class Here:
    """Refines in this process: for tests and programs that have a handful of texts."""

    def __init__(self, beside: Path, work: Work, journal: Journal) -> None:
        self._beside, self._journal, self._refiner = beside, journal, Refiner(work)
        self._label = str((journal.plan() or {})["label"])

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def refined(self, first: int) -> Iterator[Unit]:
        for unit in self._journal.units(first):
            refine(self._refiner, self._beside, self._label, unit, [])
            yield unit


def cores_here() -> int:
    """How many this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
