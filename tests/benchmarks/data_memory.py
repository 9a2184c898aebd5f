"""Whether memory grows with the text: the peak of a tenfold amount over that of the plain one, all processes together.

No document is like another, so that the index, the marks and the journal grow as they would. To fit into minutes,
the filters are off (they keep nothing from one document to the next), and so is the look for planted phrases, whose
tables have a fixed size: with them the ratio could only be lower.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks import real_text
from tests.benchmarks.report import Figure, children, memory

MEGABYTES = 100
TIMES = 10
_JOB = """
import sys
from pathlib import Path
from node.data.building.build import Wish, build, cores_here
from node.data.building.choices import PLAIN
home, folder = map(Path, sys.argv[1:])
build(Wish(home, folder, "text", PLAIN), b"k" * 32, cores_here())
"""


def measure(folder: Path, megabytes: int = MEGABYTES) -> Figure:
    """The smaller amount first."""
    peaks, seconds = [], []
    for times in (1, TIMES):
        text = folder / f"text-{times}"
        real_text.folder_of(text, megabytes * times)
        began = time.perf_counter()
        peaks.append(peak(folder / f"home-{times}", text))
        seconds.append(time.perf_counter() - began)
    detail = (
        f"{peaks[0]:.0f} MB resident at most for {megabytes} MB ({seconds[0]:.0f} s), "
        f"{peaks[1]:.0f} MB for {megabytes * TIMES} MB ({seconds[1]:.0f} s); filters off"
    )
    return Figure("data_memory", peaks[1] / peaks[0], "ratio", 1.1, "lower", detail)


def peak(home: Path, text: Path) -> float:
    """MB that the process and its children have resident at most, looked at many times a second."""
    process = subprocess.Popen([sys.executable, "-c", _JOB, str(home), str(text)])
    most = 0.0
    while process.poll() is None:
        most = max(most, _tree(process.pid))
        time.sleep(0.05)  # between two looks
    if process.returncode:
        raise RuntimeError(f"it ended with {process.returncode}")
    return most


def _tree(pid: int) -> float:
    try:
        return memory(pid, "VmRSS") + sum(_tree(child) for child in children(pid))
    except (OSError, StopIteration):  # it ended meanwhile
        return 0.0
