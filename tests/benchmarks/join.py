"""From the pasted word to a member who is here: certificate stored, control stream accepted."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from deploy.demo.friends import Friend
from tests.benchmarks.report import Figure
from tests.benchmarks.watching import seen
from tests.cluster.group import Group, group

TIMES = 3


def measure(folder: Path) -> Figure:
    """Seconds for `node join` to its end and then `node run` until the host has welcomed it; the median friend's."""
    with group(folder) as potluck:
        potluck.up()
        found = [joined(potluck, f"ana-{number}") for number in range(TIMES)]
    totals = [sum(parts) for parts in found]
    middle = found[totals.index(statistics.median(totals))]
    detail = f"`node join` {middle[0]:.2f} s, then `node run` until welcomed {middle[1]:.2f} s; median of {TIMES}"
    return Figure("join", sum(middle), "s", 3, "lower", detail).explained("both are mostly Python's own start")


def joined(potluck: Group, name: str) -> tuple[float, float]:
    """(seconds of the join command, seconds from `run` to the host's seeing it)."""
    word = potluck.host.potluck("invite", name).strip()
    potluck.friends[name] = friend = Friend(name, potluck.folder / name)
    began = time.monotonic()
    friend.potluck("join", "-", "--name", name, stdin=word)
    in_group = time.monotonic()
    potluck.run(name)
    here = seen(potluck.host.home, lambda status: any(n.name == name and n.last_seen_ms for n in status.nodes))
    return in_group - began, here - in_group
