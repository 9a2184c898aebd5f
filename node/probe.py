"""What this PC is: one line for people, and the few numbers the agent needs. Everything is looked at lazily."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared.disk import size_words


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    memory: int  # bytes


@cache
def cards() -> tuple[Card, ...]:
    """The NVIDIA cards, by the driver's own library; none where it is missing."""
    try:
        import pynvml
    except ImportError:
        return ()
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
