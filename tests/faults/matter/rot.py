"""Bytes that change on a disk by themselves: found by their digests, told by name, and never part of a model."""

from __future__ import annotations

import asyncio
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from coordinator import ledger
from coordinator.logic import cluster
from coordinator.logic.cluster import Cluster, Fact
from coordinator.logic.facts import Elapsed
from coordinator.store import facts, journal
from coordinator.store.sqlite import SqliteStore
from shared.blobs import Blobs
from shared.errors import OwnerMustAct
from shared.ids import Digest, NodeId
from tests.coordinator.federation_child import FederationChild, spec, update
from tests.coordinator.stories import greeted, joined

Words = dict[str, Any]
FRIENDS = 120
SNAPSHOT_AT = 100  # facts
NESTEROV: Words = {"name": "DiLoCo", "parameters": {"outer": "nesterov"}}
FEDAVG: Words = {"name": "FedAvg", "parameters": {}}


def flip(path: Path, draw: random.Random, start: int = 0) -> int:
    """One bit of one byte behind `start`; which byte."""
    at = draw.randrange(start, path.stat().st_size)
    with open(path, "r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1 << draw.randrange(8)]))
    return at


# ---- the journal ----


def rotten_journal(folder: Path, seed: int, cases: int = 12) -> None:
    """A flipped byte of state.db: the very state it held, or a refusal that names the damage."""
    database, log, states = written(folder / "whole")
    for case in range(cases):
        draw = random.Random(f"{seed}/{case}")
        there = copied(database, log=None, to=folder / f"flip-{case}")
        at = flip(there, draw)
        state, sentence = opened(there)
        assert state in (None, states[-1]), f"seed {seed}, case {case}: byte {at} changed what happened"
        assert state is not None or "damaged" in sentence or "not a potluck database" in sentence, sentence
    assert log.exists()


def rotten_log(folder: Path, seed: int, cases: int = 12) -> None:
    """A flipped byte of state.db-wal: all is there, or a refusal; at most the very last transaction is forgotten."""
    database, log, states = written(folder / "whole")
    for case in range(cases):
        draw = random.Random(f"{seed}/{case}")
        there = copied(database, log, folder / f"log-{case}")
        at = flip(Path(f"{there}-wal"), draw)
        state, sentence = opened(there)
        assert state in (None, *states[-2:]), f"seed {seed}, case {case}: byte {at} of the log made us forget"
        assert state is not None or "damaged" in sentence, sentence


def torn_log(folder: Path, seed: int, cases: int = 12) -> None:
    """The power went while a transaction was written: everything before it is there, and nothing else is said."""
    database, log, states = written(folder / "whole")
    size = log.stat().st_size
    for case in range(cases):
        draw = random.Random(f"{seed}/{case}")
        there = copied(database, log, folder / f"torn-{case}")
        end = Path(f"{there}-wal")
        keep = draw.randrange(size)
        with open(end, "r+b") as file:
            file.truncate(keep)
            if draw.random() < 0.5:  # the disk had made room already
                file.seek(size if draw.random() < 0.5 else min(size, keep + 4096))
                file.truncate()
        state, sentence = opened(there)
        assert state in states, f"seed {seed}, case {case}: torn after {keep} bytes: {sentence}"


def written(folder: Path) -> tuple[Path, Path, list[Cluster]]:
    """(state.db, a copy of its log with the newest part, the state after each transaction)."""
    path, state = folder / "state.db", Cluster()
    store = SqliteStore(path)
    happened: list[Fact] = []
    for number in range(FRIENDS):
        node = NodeId(f"friend{number:03d}")
        happened += [*joined(node, float(number)), greeted(node, float(number))]
    states = [state]
    for seq, fact in enumerate(happened, 1):
        state = cluster.apply(state, fact)
        store.append([journal.row(seq, "", fact.at, *facts.dump(fact))])
        states.append(replace(state, now=0.0))
        if seq == SNAPSHOT_AT:
            store.keep_snapshot(journal.snapshot(seq, facts.dump_state(state)))
            states.append(states[-1])
    kept = folder / "log"
    shutil.copyfile(f"{path}-wal", kept)
    base = folder / "base.db"
    shutil.copyfile(path, base)
    store.close()  # moves the log's pages into the database
    return path, kept, states


def copied(database: Path, log: Path | None, to: Path) -> Path:
    """A home's database; with its log as it was before it was closed."""
    to.mkdir(parents=True)
    path = to / "state.db"
    shutil.copyfile(database if log is None else database.with_name("base.db"), path)
    if log is not None:
        shutil.copyfile(log, f"{path}-wal")
    return path


def opened(path: Path) -> tuple[Cluster | None, str]:
    """What a coordinator that starts here believes, or the sentence it ends with."""

    async def load() -> Cluster:
        store = SqliteStore(path)
        try:
            state = ledger.load(store, clock=lambda: 0.0).state
        finally:
            store.close()
        return replace(cluster.apply(state, Elapsed(state.now)), now=0.0)

    try:
        return asyncio.run(load()), ""
    except OwnerMustAct as error:
        return None, error.sentence


# ---- blobs ----


def rotten_blobs(folder: Path, seed: int) -> None:
    """What a merge is made of, one file after another, with a flipped byte in each."""
    draw = random.Random(seed)
    for strategy in (None, NESTEROV, FEDAVG):
        name = "plain" if strategy is None else str(strategy["parameters"].get("outer", strategy["name"]))
        (home := folder / name).mkdir()
        with FederationChild(home) as child:
            recipe = {"kind": "full"} if strategy is FEDAVG else None
            file = spec(recipe, strategy)
            job, ready = child.prepare(file)
            first = [update(child, job, number) for number in (1, 2, 3)]
            one = child.merge(1, ready["model"], first)
            second = [update(child, job, number) for number in (4, 5, 6)]
            question: Words = {"round": 2, "model": one["model"], "state": one["state"], "updates": second}
            question |= {"parent": ready["model"], "delta": one["delta"]}
            two = child.ask("merge", **question)
            assert two["fact"] == "merged", two
            damage(child, draw, question, two, healed=one["delta"] is not None)


def damage(child: FederationChild, draw: random.Random, question: Words, good: Words, *, healed: bool) -> None:
    """Spoil each input of that merge; the same model must come out of it as before, or none."""
    blobs = child.blobs
    for place in range(3):
        victim = question["updates"][place]
        with spoiled(blobs, victim["digest"], draw):
            answer = child.ask("merge", **question)
            assert (answer["fact"], answer["updates"]) == ("damaged", [victim["digest"]]), answer
            others = [one for one in question["updates"] if one is not victim]
            without = child.ask("merge", **{**question, "updates": others})
            assert without["fact"] == "merged", without
            assert without["model"] != good["model"]
            assert without["metrics"]["nodes"] == 2
    with spoiled(blobs, question["model"], draw):
        answer = child.ask("merge", **question)
        if healed:
            assert answer["model"] == good["model"], answer
            assert question["model"][:12] in answer["mended"]
            blobs.verify(question["model"])
        else:
            named(answer, question["model"])
    if healed:
        with spoiled(blobs, question["model"], draw), spoiled(blobs, question["delta"], draw):
            named(child.ask("merge", **question), question["model"])
        with spoiled(blobs, question["model"], draw):
            answer = child.ask("configure", **{**question, "nodes": [one["node"] for one in question["updates"]]})
            assert question["model"][:12] in answer["mended"], answer
    if question["state"]:
        with spoiled(blobs, question["state"], draw):
            named(child.ask("merge", **question), question["state"])
    assert child.ask("merge", **question) == good


def named(answer: Words, digest: Digest) -> None:
    assert answer["fact"] == "failed", answer
    assert digest[:12] in answer["sentence"], answer


class spoiled:  # noqa: N801  reads as a sentence: with spoiled(blobs, digest, draw)
    """One bit of a blob is wrong inside, and right again afterwards."""

    def __init__(self, blobs: Blobs, digest: Digest, draw: random.Random) -> None:
        self._path = blobs.path(digest)
        self._data = self._path.read_bytes()
        flip(self._path, draw)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._path.write_bytes(self._data)
