"""A trainer whose first process dies when it is told to open, and whose second takes its time to end.

python -m tests.faults.schedules.stubborn_trainer --rank 1 --world 2 --rendezvous HOME/runs/RUN/work/...
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> int:
    rank, work = int(arguments[1]), Path(arguments[5]).parent
    if rank == 0:
        sys.stdin.readline()
        return 7
    sys.stdin.read()
    (work / "asked-to-end").touch()
    while not (work / "may-end").exists():
        time.sleep(0.01)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
