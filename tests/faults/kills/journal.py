"""What a coordinator that died left behind, and what its friends know; and whether the two agree."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from coordinator.logic import cluster
from coordinator.logic.cluster import Cluster, Fact
from coordinator.logic.facts import Merged, UpdateRefused, Uploaded
from coordinator.logic.round_state import Phase
from coordinator.logic.runs import record
from coordinator.store import facts
from coordinator.store.sqlite import SqliteStore
from shared.ids import NodeId, RunId


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One update that the host has taken, as the friend's PC wrote it down."""

    round: int
    digest: str
    verdict: str


def of_the_dead(home: Path) -> list[Fact]:
    """The facts in that home's journal. Reads a copy: it is the next coordinator that must mend what is torn."""
    with TemporaryDirectory() as folder:
        for name in ("state.db", "state.db-wal"):
            if (home / name).exists():
                shutil.copy(home / name, folder)
        return read(Path(folder))


def read(home: Path) -> list[Fact]:
    store = SqliteStore(home / "state.db")
    try:
        return [facts.load(row.kind, row.json, row.version) for row in store.rows()]
    finally:
        store.close()


def folded(happened: list[Fact]) -> Cluster:
    state = Cluster()
    for fact in happened:
        state = cluster.apply(state, fact)
    return state


def acknowledged(home: Path, run: str) -> list[Acknowledged]:
    """What the friend's PC in that home was told of its updates, in the order of rounds."""
    with sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True, timeout=10.0) as database:
        found = database.execute(
            "SELECT round, digest, verdict FROM updates WHERE run = ? AND verdict IS NOT NULL ORDER BY round", (run,)
        )
        return [Acknowledged(*row) for row in found]


def digests_sent(home: Path, run: str) -> dict[int, set[str]]:
    """What the friend's PC in that home offered to the host: round -> digests of updates."""
    with sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True, timeout=10.0) as database:
        found = database.execute("SELECT round, digest FROM sent WHERE run = ? AND what = 'update'", (run,))
        sent: dict[int, set[str]] = {}
        for number, digest in found:
            sent.setdefault(number, set()).add(digest)
        return sent


def require_counted_once(happened: list[Fact], run: str, told: dict[NodeId, list[Acknowledged]]) -> None:
    """Each acknowledged update is in the journal, and in the one merge of its round; and nothing is counted twice."""
    uploaded = Counter((fact.round, fact.node) for fact in happened if isinstance(fact, Uploaded) and fact.run == run)
    merged = Counter(fact.round for fact in happened if isinstance(fact, Merged) and fact.run == run)
    assert set(uploaded.values()) <= {1}, uploaded
    assert set(merged.values()) <= {1}, merged
    for fact in happened:
        if isinstance(fact, UpdateRefused) and fact.run == run:
            assert fact.sentence, fact
        if isinstance(fact, Merged) and fact.run == run:
            assert set(fact.nodes) == {node for number, node in uploaded if number == fact.round}, fact
            inside = [f for f in happened if isinstance(f, Uploaded) and (f.run, f.round) == (run, fact.round)]
            assert fact.metrics["tokens"] == sum(f.tokens for f in inside), fact
    state = folded(happened).runs[RunId(run)]
    for node, updates in told.items():
        for update in updates:
            round_ = record(state, update.round)
            assert round_ is not None, update
            member = round_.members[node]
            assert update.verdict in ("accepted", "counted"), update
            assert member.update is not None, f"{update} is lost"
            assert member.update.digest == update.digest, update
            if update.verdict == "counted":
                assert round_.model is not None, update
    assert all(round_.phase is Phase.COMMITTED for round_ in state.history), "a round was given up"
