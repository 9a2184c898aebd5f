"""What Potluck costs a friend who only waits: memory and processor of the agent alone, connected, with no trainer."""

from __future__ import annotations

import os
import time
from pathlib import Path

from deploy.demo.friends import environment
from tests.benchmarks.report import Figure, children, cpu_seconds, import_memory, memory
from tests.cluster.group import group

CONNECTED = 60.0  # seconds
PARTS = ("asyncio", "sqlite3", "google.protobuf.message", "grpc.aio", "node.agent")


def measure(folder: Path) -> Figure:
    """Resident MB after a minute's connection."""
    with group(folder) as potluck:
        potluck.up()
        potluck.join("ana")
        potluck.run("ana")
        agent = potluck.processes["ana"].pid
        potluck.until("ana to be here", lambda: potluck.node("ana")["state"] == "ready")
        before, began = cpu_seconds(agent), time.monotonic()
        time.sleep(CONNECTED)  # the minute that is measured
        share = (cpu_seconds(agent) - before) / (time.monotonic() - began)
        assert potluck.node("ana")["state"] == "ready"
        assert not children(agent), "the agent has a child"
        resident, highest = memory(agent, "VmRSS"), memory(agent, "VmHWM")
        threads = len(os.listdir(f"/proc/{agent}/task"))
        profile = import_memory(PARTS, environment(potluck.host.home))
    detail = f"{share:.2%} of a core (bar 0.2 %), at most {highest:.1f} MB, {threads} threads, {profile}"
    return Figure("idle_agent", resident, "MB", 60, "lower", detail).explained("what is imported makes up nearly all")
