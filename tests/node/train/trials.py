"""Starts the ranks of exchange.py, waits for them, and brings what rank 0 found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.node.train.processes import start

PATIENCE = 1500.0  # seconds, on a busy machine


def trials(world: int, folder: Path, cases: str, **environment: str) -> dict[str, dict[str, Any]]:
    """{case: {what: value}}. Every rank ended well, and nothing was compiled: there is no compiler to be found."""
    logs = [folder / f"log-{rank}" for rank in range(world)]
    processes = [
        start("tests.node.train.exchange", [str(rank), str(world), str(folder), cases], environment, log, bare=folder)
        for rank, log in enumerate(logs)
    ]
    try:
        for process, log in zip(processes, logs, strict=True):
            assert process.wait(timeout=PATIENCE) == 0, log.read_text()[-3000:]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert environment or not Path(folder / "extensions").exists(), "something was compiled"
    found: dict[str, dict[str, Any]] = json.loads((folder / "result-0.json").read_text())
    return found
