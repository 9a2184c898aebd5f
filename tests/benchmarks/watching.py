"""Look at the host fifty times a second over one connection: a command each time would be the thing measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from coordinator.calling import calling
from shared.rpc.v1 import operator_pb2

LOOK = 0.02  # seconds between looks
PATIENCE = 300.0  # seconds

Status = operator_pb2.StatusReply


def seen(home: Path, check: Callable[[Status], object], patience: float = PATIENCE) -> float:
    """When (monotonic seconds) the coordinator of this POTLUCK_HOME first showed what `check` looks for."""
    return asyncio.run(_seen(home, check, patience))


async def _seen(home: Path, check: Callable[[Status], object], patience: float) -> float:
    async with asyncio.timeout(patience), calling(home / "coordinator", "asking for the status") as host:
        while not check(await host.Status(operator_pb2.StatusRequest(), timeout=30)):
            await asyncio.sleep(LOOK)
        return time.monotonic()
