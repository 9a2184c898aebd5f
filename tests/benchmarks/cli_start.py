"""How long a command takes that does next to nothing: `potluck --help`, and `coordinator status` of a running host."""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

from deploy.demo.friends import environment
from tests.benchmarks.report import Figure, import_times
from tests.cluster.group import group

TIMES = 10
COMMANDS = (("--help",), ("coordinator", "status"))


def measure(folder: Path) -> Figure:
    """The slower command's median wall time."""
    with group(folder) as potluck:
        potluck.up()
        home = environment(potluck.host.home)
        walls: dict[str, list[float]] = {}
        processors: dict[str, list[float]] = {}
        for _ in range(TIMES):  # interleaved, so that a busy moment of the machine hits both
            for words in COMMANDS:
                wall, processor = timed(words, home)
                walls.setdefault(" ".join(words), []).append(wall)
                processors.setdefault(" ".join(words), []).append(processor)
        profile = import_times("from shared.entry import main; main(['coordinator', 'status'])", home)
    medians = {name: statistics.median(found) for name, found in walls.items()}
    detail = ", ".join(
        f"potluck {name}: median {medians[name]:.3f} s, fastest {min(walls[name]):.3f} s, "
        f"processor time {statistics.median(processors[name]):.3f} s"
        for name in medians
    )
    return Figure("cli_start", max(medians.values()), "s", 0.3, "lower", detail).explained(
        f"processor time is what remains on an idle machine; {profile}"
    )


def timed(words: tuple[str, ...], home: dict[str, str]) -> tuple[float, float]:
    """(wall seconds, processor seconds) of one command, from before it is started until it has ended."""
    began = time.monotonic()
    null = os.open(os.devnull, os.O_RDWR)
    script = str(Path(sys.executable).with_name("potluck"))
    actions = [(os.POSIX_SPAWN_DUP2, null, where) for where in (0, 1, 2)]
    pid = os.posix_spawn(script, [script, *words], home, file_actions=actions)
    _, status, used = os.wait4(pid, 0)
    wall = time.monotonic() - began
    os.close(null)
    assert os.waitstatus_to_exitcode(status) == 0, f"potluck {' '.join(words)} failed"
    return wall, used.ru_utime + used.ru_stime
