"""What this PC is: one line for people, and the few numbers the agent needs. Everything is looked at lazily."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared.units import size_words

PATIENCE = 30.0  # seconds; a driver that is just waking up takes a few


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    memory: int  # bytes


@cache
def cards() -> tuple[Card, ...]:
    """The NVIDIA cards, by the driver's own library; none where it is missing.

    Looked at once, in a child process: the library would stay in the agent's memory, and can take its process down.
    """
    if importlib.util.find_spec("pynvml") is None:
        return ()
    words = [sys.executable, "-m", "node.probe"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)
        return tuple(Card(name, memory) for name, memory in json.loads(done.stdout))
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()


def main() -> None:
    """The child: prints [name, bytes] of each card as JSON."""
    print(json.dumps([(card.name, card.memory) for card in _asked()]))


def _asked() -> tuple[Card, ...]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]
        return tuple(
            Card(_text(pynvml.nvmlDeviceGetName(handle)), int(pynvml.nvmlDeviceGetMemoryInfo(handle).total))
            for handle in handles
        )
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def card_count() -> int:
    return len(cards())


def hardware(home: Path) -> str:
    """ "RTX 4070 12 GB, 32 GB RAM, 41 GB free": for the host's table of nodes."""
    import psutil

    memory = psutil.virtual_memory().total
    compute = [f"{card.name} {card.memory / 2**30:.0f} GB" for card in cards()] or [_processor()]
    return ", ".join([*compute, f"{memory / 2**30:.0f} GB RAM", f"{size_words(free_bytes(home))} free"])


def free_bytes(home: Path) -> int:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    return shutil.disk_usage(existing).free


def _processor() -> str:
    return f"{os.cpu_count() or 1} cores ({platform.machine()}), no card"


def _text(name: str | bytes) -> str:
    text = name.decode() if isinstance(name, bytes) else name
    return text.removeprefix("NVIDIA ").removeprefix("GeForce ")


if __name__ == "__main__":
    main()
