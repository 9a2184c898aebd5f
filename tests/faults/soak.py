"""`make soak ARGS="--minutes 30"`: every fault again and again, each time with another seed, and what was survived.

A fault that was survived n times of n fails, with 95 % confidence, in at most 3 of n cases (the rule of three).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.kills import points
from tests.faults.links import faults as links
from tests.faults.matter import faults as matter
from tests.faults.schedules import play

Fault = Callable[[Path, int], None]  # an empty folder, a seed; raises when something was not survived


@dataclass(slots=True)
class Tally:
    tried: int = 0
    failed: int = 0
    seconds: float = 0.0

    def words(self, name: str) -> str:
        survived = f"{self.tried - self.failed} of {self.tried} survived"
        bound = f"; fails in at most {min(1.0, 3 / self.tried):.1%} (95 %)" if not self.failed else "  <-- FAILED"
        return f"{name:<44} {survived}{bound}  {self.seconds / self.tried:.1f} s each"


def all_faults() -> Mapping[str, Fault]:
    """By name, each group under its own."""
    kills: dict[str, Fault] = {
        f"kill {point}": lambda folder, seed, point=point: points.survive(folder, point, seed)  # type: ignore[misc]
        for point in points.POINTS
    }
    schedules: dict[str, Fault] = {
        "schedule of facts": lambda _, seed: play.play_facts(seed),
        "schedule of a whole group": lambda _, seed: play.play_world(seed),
    }
    return kills | dict(links.FAULTS) | dict(matter.FAULTS) | schedules


def soak(faults: Mapping[str, Fault], minutes: float, seed: int) -> dict[str, Tally]:
    """In turn, until the time is over: each at least once, none begun afterwards."""
    tallies = {name: Tally() for name in faults}
    end, turn = time.monotonic() + 60 * minutes, 0
    while turn == 0 or time.monotonic() < end:
        for name, fault in faults.items():
            if turn and time.monotonic() > end:
                break
            tally, began = tallies[name], time.monotonic()
            with tempfile.TemporaryDirectory(prefix="potluck-soak-") as folder:
                try:
                    fault(Path(folder), seed + turn)
                except pytest.skip.Exception as reason:  # no root for a small disk, no libfaketime
                    print(f"{name}: not possible on this PC ({reason})", file=sys.stderr)
                    continue
                except Exception:  # noqa: BLE001  one failure is counted, told, and the others go on
                    tally.failed += 1
                    print(f"--- {name}, seed {seed + turn}", file=sys.stderr)
                    traceback.print_exc()
            tally.tried += 1
            tally.seconds += time.monotonic() - began
            print(tally.words(name), file=sys.stderr, flush=True)
        turn += 1
    return tallies


def main() -> int:
    faults = all_faults()
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PART", help="only faults with this in their name")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args()
    here = str(Path(__file__).resolve().parents[2])
    os.environ.update(HF_HUB_OFFLINE="1", PYTHONPATH=here)  # of the children that die where they are told to
    wanted = {n: f for n, f in faults.items() if not chosen.names or any(part in n for part in chosen.names)}
    if not wanted:
        parser.error(f"no fault is called so; there are {', '.join(faults)}")
    tallies = soak(wanted, chosen.minutes, chosen.seed)
    tallies = {name: tally for name, tally in tallies.items() if tally.tried}
    for name, tally in tallies.items():
        print(tally.words(name))
    tried, failed = sum(t.tried for t in tallies.values()), sum(t.failed for t in tallies.values())
    bound = None if failed else 3 / tried
    print(json.dumps({"name": "soak", "tried": tried, "failed": failed, "upper_bound_95": bound, "seed": chosen.seed}))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
