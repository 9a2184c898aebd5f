"""Friends around one table, each behind a line of his own that can be spoiled; and what must be true at the end."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.cluster.group import Group, group
from tests.cluster.test_kills import WIDE
from tests.faults.links.proxy import Proxy

ROWS = 50_000  # of the wide model's only large table: a row for each word that the tokenizer knows, and some
HOME_UPLINK = 8e6  # bytes a second: slow enough to see a transfer, fast enough for a test
MINUTE = 60.0
NOTICED = 45.0  # seconds in which a silent line is promised to be noticed
AGAIN = 0.05  # of an update may go up twice
MACHINE = re.compile(r"UNAVAILABLE|Socket closed|Traceback|grpc|PERMISSION_DENIED|Errno|Error\b|CERTIFICATE_", re.I)


@dataclass(frozen=True, slots=True)
class Table:
    """A coordinator that is up, friends who have joined, and their lines. No friend's agent runs yet."""

    group: Group
    lines: dict[str, Proxy]
    chance: random.Random

    def wide(self, width: int) -> dict[str, Any]:
        """Settings of a run whose update has `width` times 200,000 bytes, and no time to compute."""
        shape = {"vocab_size": ROWS, "hidden_size": width, "head_dim": width // 2}
        (self.group.folder / "wide.json").write_text(json.dumps({**WIDE, **shape}))
        return {"model": "wide.json", "codec": "fp32"}

    def complained(self, name: str, since: float) -> float | None:
        """When (UTC seconds) that friend's log first said, after `since`, that there is no connection."""
        lines = re.findall(r"^(\S+Z) warn not-connected", self.group.log(name), re.MULTILINE)
        times = [datetime.fromisoformat(line).timestamp() for line in lines]
        return next((at for at in times if at >= since), None)

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """All facts of that kind in the host's journal."""
        journal = self.group.host.home / "coordinator" / "state.db"
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as database:
            found = database.execute("SELECT json FROM facts WHERE kind = ? ORDER BY seq", (kind,)).fetchall()
        return [dict(json.loads(text)) for (text,) in found]


@contextmanager
def table(folder: Path, seed: int, *names: str) -> Iterator[Table]:
    """Everything ends with it. The friends' agents dial their lines, never the host itself."""
    with ExitStack() as lines, group(folder) as friends:
        friends.up()
        there = {}
        for number, name in enumerate(names):
            home = friends.join(name).home / "node"
            there[name] = lines.enter_context(Proxy(friends.port, seed + number))
            member = json.loads((home / "member.json").read_text())
            (home / "member.json").write_text(json.dumps({**member, "port": there[name].port}))
        yield Table(friends, there, random.Random(seed))


def closed_once(at: Table, run: str, rounds: int) -> list[dict[str, Any]]:
    """Every round was committed, by one merge, of each member's one update; and all hold the same bytes."""
    history = at.group.rounds(run)
    assert [(entry["number"], entry["phase"]) for entry in history] == [
        (number, "committed") for number in range(1, rounds + 1)
    ]
    for entry in history:
        assert [member["state"] for member in entry["members"]] == ["counted"] * len(entry["members"]), entry
        assert entry["metrics"]["nodes"] == len(entry["members"])
        assert entry["metrics"]["tokens"] == sum(int(member["tokens"]) for member in entry["members"])
    merged = Counter(fact["round"] for fact in at.facts("Merged") if fact["run"] == run)
    assert merged == Counter(range(1, rounds + 1)), "a round was merged twice, or never"
    took = Counter((fact["round"], fact["node"]) for fact in at.facts("Uploaded") if fact["run"] == run)
    assert set(took.values()) == {1}, "an update was taken twice"
    same_bytes(at, history)
    return history


def same_bytes(at: Table, history: list[dict[str, Any]]) -> None:
    """A blob is there only if its bytes have that digest: so equal names are equal models."""
    for number, entry in enumerate(history):
        at.group.blobs("host").verify(entry["model"])
        later = {member["name"] for other in history[number + 1 :] for member in other["members"]}
        if number == len(history) - 2:  # older ones may have been tidied away
            for name in later:
                at.group.blobs(name).verify(entry["model"])


def again(line: Proxy, size: int) -> float:
    """The share of an update that went up more than once; all else that went up is counted against it."""
    return line.up / size - 1


def in_words(sentence: str, *needed: str) -> None:
    """A sentence for a friend: no program's own words, and these."""
    assert not MACHINE.search(sentence), sentence
    assert sentence.rstrip().endswith((".", ")")), sentence
    for words in needed:
        assert words in sentence, sentence


def wait_out(began: float, seconds: float) -> None:
    """The fault itself lasts this long; `began` is of the monotonic clock."""
    time.sleep(max(0.0, began + seconds - time.monotonic()))
