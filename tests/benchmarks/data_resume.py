"""What a kill costs: input that is read a second time, as a share of all, after kill -9 of all processes at any moment.

One source, killed ten times on its way and started again each time; the worst of the ten counts. What was refined but
not yet merged is merged from where it lies, and so is not read again.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.benchmarks import real_text
from tests.benchmarks.report import Figure

MEGABYTES = 100
KILLS = 10
_JOB = """
import sys
from pathlib import Path
from node.data.building.build import Wish, build, cores_here
from node.data.building.choices import Choices
home, folder = map(Path, sys.argv[1:])
build(Wish(home, folder, "text", Choices()), b"k" * 32, cores_here(), lambda p: print(p.done / p.total, flush=True))
"""


def measure(folder: Path, megabytes: float = MEGABYTES) -> Figure:
    """A kill in each tenth of the way, at a random place of it."""
    size = real_text.folder_of(folder / "text", megabytes)
    chance = random.Random(os.getpid())
    shares, before, weights = list[float](), Counter[int](), dict[int, int]()
    for number in range(KILLS + 1):
        last = number == KILLS
        _run(folder, 2.0 if last else (number + chance.random()) / KILLS)
        log = folder / "home" / "data" / ("text" if last else ".text.new") / ".taken.log"
        lines = [line.split() for line in log.read_text().splitlines()]
        taken = Counter(int(unit) for unit, _ in lines)
        weights = {int(unit): int(weight) for unit, weight in lines}
        if number:
            again = [unit for unit in before if taken[unit] > before[unit]]
            shares.append(sum(weights[unit] for unit in again) / size)
        before = taken
    unit_size = statistics.median(weights.values()) / 1e3
    detail = (
        f"{size / 1e6:.0f} MB in units of {unit_size:.0f} kB on {os.cpu_count()} cores; "
        f"median {statistics.median(shares):.4f} over {KILLS} kills"
    )
    return Figure("data_resume", max(shares), "share", 0.02, "lower", detail)


def _run(folder: Path, until: float) -> None:
    """Start it, and kill all of it when so much is done."""
    words = [sys.executable, "-c", _JOB, str(folder / "home"), str(folder / "text")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    for line in process.stdout:
        if float(line) >= until:
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    code = process.wait()
    if code and code != -signal.SIGKILL:
        raise RuntimeError(f"it ended with {code}")
