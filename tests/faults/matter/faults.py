"""Every fault of matter by its name: bytes, disks and clocks that go wrong. Each is given a folder and a seed.

It raises when a promise is broken, and `pytest.skip.Exception` where this PC cannot play the fault at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.faults.matter import clocks, room, rot
from tests.faults.matter.mutations import mutated_files

Fault = Callable[[Path, int], None]

FAULTS: dict[str, Fault] = {
    "updates: mutated files": mutated_files,
    "rot: journal": rot.rotten_journal,
    "rot: journal's log": rot.rotten_log,
    "rot: torn log": rot.torn_log,
    "rot: blobs of a merge": rot.rotten_blobs,
    "room: host": room.hosts_full_disk,
    "room: journal": room.journals_full_disk,
    "room: friend": room.friends_full_disk,
    "room: homes and ports": room.unusable_homes,
    "clocks: friend an hour ahead": partial(clocks.friends_clock, offset=clocks.HOUR),
    "clocks: friend an hour behind": partial(clocks.friends_clock, offset="-3600"),
    "clocks: friend a year ahead": partial(clocks.friends_clock, offset=clocks.YEAR),
    "clocks: host an hour ahead": partial(clocks.hosts_clock, offset=clocks.HOUR),
    "clocks: host an hour behind": partial(clocks.hosts_clock, offset="-3600"),
    "clocks: host a year ahead": partial(clocks.hosts_clock, offset=clocks.YEAR),
    "clocks: friend's set ahead in mid-round": partial(clocks.jump, who="ana", offset=clocks.HOUR),
    "clocks: friend's set back in mid-round": partial(clocks.jump, who="ana", offset="-3600"),
    "clocks: host's set ahead in mid-round": partial(clocks.jump, who="host", offset=clocks.HOUR),
    "clocks: host's set back in mid-round": partial(clocks.jump, who="host", offset="-3600"),
}
