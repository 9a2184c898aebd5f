"""How long a new friend waits until the host has their first update: join, run, train a tiny model, send."""

from __future__ import annotations

import time
from pathlib import Path

from deploy.demo.friends import Friend
from tests.benchmarks.report import Figure
from tests.benchmarks.watching import Status, seen
from tests.cluster.group import Group, group, words

NAME = "ana"


def measure(folder: Path) -> Figure:
    """Seconds of `node join`, and from `node run` to the accepted update. Adding text in between is not counted."""
    with group(folder) as potluck:
        potluck.up()
        run = potluck.start(quorum=1, rounds=1)
        potluck.until("the run to be prepared", lambda: potluck.entry(run)["state"] == "running")
        joining = join(potluck)
        began = time.monotonic()
        potluck.run(NAME)
        training = seen(potluck.host.home, working) - began
        accepted = seen(potluck.host.home, has_update) - began
    detail = (
        f"`node join` {joining:.1f} s, then `node run`: in the round after {training:.1f} s, update accepted after "
        f"{accepted:.1f} s; settings as after installing, real trainer (potluck-tiny, 2 steps)"
    )
    return Figure("first_update", joining + accepted, "s", 45, "lower", detail).explained(
        "between being in the round and the update the trainer imports torch and trains"
    )


def join(potluck: Group) -> float:
    """Seconds of the join command. Text is added afterwards: its test part depends on the group's key."""
    potluck.friends[NAME] = friend = Friend(NAME, potluck.folder / NAME)
    word = potluck.host.potluck("invite", NAME).strip()
    began = time.monotonic()
    friend.potluck("join", "-", "--name", NAME, stdin=word)
    seconds = time.monotonic() - began
    notes = potluck.folder / "notes"
    notes.mkdir()
    (notes / "notes.txt").write_text(words(1))
    friend.potluck("data", "add", str(notes), "--name", "notes", "--no-tell-host")
    return seconds


def working(status: Status) -> bool:
    return any(run.history and run.history[0].members for run in status.runs)


def has_update(status: Status) -> bool:
    return any(member.bytes for run in status.runs for round_ in run.history for member in round_.members)
