"""Starts the ranks of exchange.py, waits for them, and brings what rank 0 found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.node.train.forked import PLAIN, Forked

PATIENCE = 1500.0  # seconds, on a busy machine


def trials(world: int, folder: Path, cases: str, **environment: str) -> dict[str, dict[str, Any]]:
    """{case: {what: value}}. Every rank ended well, and nothing was compiled: there is no compiler to be found."""
    bare = {"PATH": str(folder / "no-compilers"), "TORCH_EXTENSIONS_DIR": str(folder / "extensions")}
    env = {**os.environ, **PLAIN, **bare, **environment}
    logs = [folder / f"log-{rank}" for rank in range(world)]
    processes = [
        Forked("tests.node.train.exchange", [str(rank), str(world), str(folder), cases], env, log, spoken_to=False)
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
