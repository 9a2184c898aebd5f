"""How soon a friend who wants to play has the card back: from typing `pause` until no trainer process holds memory."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.report import Figure, memory
from tests.cluster.group import Group, group, words

MODEL = "potluck-25m"
TIMES, FULL_TIMES = 20, 3
PATIENCE = 300.0
SETTINGS = {"engine": "torch", "threads": 1, "ranks": 1, "micro_batch": 4}


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds from the start of the command."""

    heard: float  # until the command had written the wish
    gone: float  # until the last process of the trainer was gone
    megabytes: float  # that it gave back


def measure(folder: Path) -> Figure:
    """The 95th percentile over TIMES pauses, each in the middle of a step."""
    lora = pauses(folder / "lora", "{lora: 16}", TIMES)
    full = pauses(folder / "full", "full", FULL_TIMES)
    seconds = sorted(pause.gone for pause in lora)
    figure = seconds[min(len(seconds) - 1, round(0.95 * len(seconds)) - 1)]
    ours = sorted(pause.gone - pause.heard for pause in lora)
    command = statistics.median(pause.heard for pause in lora)
    detail = (
        f"{MODEL}, LoRA of rank 16, {statistics.median(pause.megabytes for pause in lora):.0f} MB given back, "
        f"{len(seconds)} pauses from {seconds[0]:.2f} to {seconds[-1]:.2f} s, median {statistics.median(seconds):.2f}; "
        f"of it the command's own start {command:.2f} s, and from its wish on {ours[0]:.2f} to {ours[-1]:.2f} s, "
        f"median {statistics.median(ours):.2f}; full recipe {_list(full)} s"
    )
    return Figure("yield", figure, "s", 2, "lower", detail).explained(
        "what is left is the command's start, the update's way to the disk and the end of the process"
    )


def pauses(folder: Path, recipe: str, times: int) -> list[Pause]:
    """Wait until it trains, pause, look; resume and so on. Each pause ends a round: what was trained counts."""
    found = []
    with group(folder) as potluck:
        potluck.up()
        potluck.join("ana", words(1, 300), **SETTINGS)
        potluck.run("ana")
        potluck.start(
            model=MODEL, recipe=f'"{recipe}"' if recipe == "full" else recipe, rounds=times + 1, steps=100_000,
            quorum=1, deadline="2 h",
        )  # fmt: skip
        home = potluck.friends["ana"].home
        for number in range(times):
            potluck.until("ana to train", lambda: _trains(potluck), PATIENCE)
            time.sleep(0.037 * (number % 20))  # so that pauses meet a step everywhere
            found.append(_pause(potluck, home))
            potluck.until("ana to say so", lambda: not _trains(potluck), PATIENCE)
            potluck.say(home, "node", "resume")
    return found


def _trains(potluck: Group) -> bool:
    doing = potluck.doing("ana")
    return doing.get("trainer") == "training" and bool(doing.get("step"))


def _pause(potluck: Group, home: Path) -> Pause:
    trainers = potluck.children("ana", "node.train")
    assert trainers
    megabytes = sum(memory(pid, "VmRSS") for pid in trainers)
    wish = home / "node" / "owner.json"
    before = wish.stat().st_mtime_ns if wish.exists() else 0
    began = time.monotonic()
    with _typed(potluck, home):
        heard = _until(lambda: wish.exists() and wish.stat().st_mtime_ns != before, began)
        gone = _until(lambda: not any(_alive(pid) for pid in trainers), began)
    return Pause(heard, gone, megabytes)


@contextmanager
def _typed(potluck: Group, home: Path) -> Iterator[None]:
    typing = threading.Thread(target=potluck.say, args=(home, "node", "pause"))
    typing.start()
    yield
    typing.join()


def _until(check: object, began: float) -> float:
    assert callable(check)
    while not check():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.005)
    return time.monotonic() - began


def _alive(pid: int) -> bool:
    """Holding memory: a corpse that nobody has looked at yet does not."""
    try:
        return "VmRSS" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _list(found: list[Pause]) -> str:
    return "/".join(f"{pause.gone:.2f}" for pause in found)
