"""What killed commands left in `data/`, gone with the next one: somebody's text may be in it.

Under the lock of `data/`. What was begun and goes on with the same words, `.NAME.new`, is no leftover.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from node.data import collection
from shared.disk import sweep_beside, turn_if_free

DRY_RUN = ".dry-run"  # the lock of dry runs; the beginning of their folders' names


def sweep(data: Path) -> None:
    """Halves of removed and replaced collections, of files, and of dry runs."""
    for path in (*data.glob(".*.old"), *data.glob(".*.gone")):
        collection.recover(data / path.name[1:].rpartition(".")[0])
    sweep_beside(data)
    if any(data.glob(f"{DRY_RUN}-*")):
        with turn_if_free(data / DRY_RUN) as free:
            if free:
                sweep_dry_runs(data)


def sweep_dry_runs(data: Path) -> None:
    """For who holds their lock."""
    for left in data.glob(f"{DRY_RUN}-*"):
        shutil.rmtree(left)
