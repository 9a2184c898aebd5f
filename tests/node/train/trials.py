"""Starts the ranks of a program that works with engines directly, and waits for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.node.train.processes import start

PATIENCE = 1500.0  # seconds, on a busy machine


def trials(world: int, folder: Path, cases: str, **environment: str) -> dict[str, dict[str, Any]]:
    """What rank 0 of exchange.py found, {case: {what: value}}. Nothing was compiled: there is no compiler."""
    perform("tests.node.train.exchange", world, folder, cases, **environment)
    assert environment or not Path(folder / "extensions").exists(), "something was compiled"
    found: dict[str, dict[str, Any]] = json.loads((folder / "result-0.json").read_text())
    return found


def perform(module: str, world: int, folder: Path, *words: str, **environment: str) -> None:
    """`python -m MODULE RANK WORLD FOLDER WORDS ...` on every rank; every one ends well."""
    log = folder / f"{'-'.join((module, *words))}.log"
    processes = [
        start(module, [str(rank), str(world), str(folder), *words], environment, log, bare=folder)
        for rank in range(world)
    ]
    try:
        for process in processes:
            assert process.wait(timeout=PATIENCE) == 0, log.read_text()[-3000:]
    finally:
        for process in processes:
            process.kill()
            process.wait()
