"""Every fault of matter by its name: bytes, disks and clocks that go wrong. Each is given a folder and a seed.

It raises when a promise is broken, and `pytest.skip.Exception` where this PC cannot play the fault at all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.faults.matter import rot
from tests.faults.matter.mutations import mutated_files

Fault = Callable[[Path, int], None]

FAULTS: dict[str, Fault] = {
    "updates: mutated files": mutated_files,
    "rot: journal": rot.rotten_journal,
    "rot: journal's log": rot.rotten_log,
    "rot: torn log": rot.torn_log,
    "rot: blobs of a merge": rot.rotten_blobs,
}
