"""What this PC is: one line for people, and the few numbers the agent needs. Everything is looked at lazily."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from shared.units import size_words

PATIENCE = 30.0  # seconds; a driver that is just waking up takes a few


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    memory: int  # bytes
    free: int = 0  # bytes, when it was looked at
    driver: str = ""
    bf16: bool = True  # Ampere or newer
    celsius: int | None = None


@dataclass(frozen=True, slots=True)
class Torch:
    """The torch that is installed, by its own file: nothing is imported."""

    version: str
    cuda: str | None  # None: built for the CPU


@cache
def cards() -> tuple[Card, ...]:
    """The NVIDIA cards, looked at once: what does not change of them."""
    return look()


def look() -> tuple[Card, ...]:
    """The NVIDIA cards as they are now, by the driver's own library; none where it is missing.

    In a child process: the library would stay in the agent's memory, and can take its process down.
    """
    if importlib.util.find_spec("pynvml") is None:
        return ()
    words = [sys.executable, "-m", "node.probe"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)
        return tuple(Card(**card) for card in json.loads(done.stdout))
    except (OSError, ValueError, TypeError, subprocess.SubprocessError):
        return ()


def main() -> None:
    """The child: prints the cards as JSON."""
    print(json.dumps([asdict(card) for card in _asked()]))


def _asked() -> tuple[Card, ...]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]
        driver = pynvml.nvmlSystemGetDriverVersion()
        driver = driver.decode() if isinstance(driver, bytes) else driver
        found = []
        for handle in handles:
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            newer = pynvml.nvmlDeviceGetCudaComputeCapability(handle)[0] >= 8
            name = _text(pynvml.nvmlDeviceGetName(handle))
            found.append(Card(name, int(memory.total), int(memory.free), driver, newer, _celsius(handle)))
        return tuple(found)
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _celsius(handle: Any) -> int | None:
    import pynvml

    try:
        return int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    except pynvml.NVMLError:
        return None


def card_count() -> int:
    """Cards that can be trained on: none where torch was built without CUDA."""
    build = torch_build()
    return len(cards()) if build is None or build.cuda else 0


def torch_build() -> Torch | None:
    """None: torch is not installed, or says nothing about itself."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    try:
        words = Path(found.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    version = re.search(r"^__version__ = '([^']+)'", words, re.MULTILINE)
    cuda = re.search(r"^cuda[^=\n]*= '([^']+)'", words, re.MULTILINE)
    return Torch(version[1], cuda[1] if cuda else None) if version else None


def half() -> str:
    """The number format that `auto` means here: bf16, fp16, or fp32 where nothing shorter is fast."""
    if card_count():
        return "bf16" if all(card.bf16 for card in cards()) else "fp16"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "fp32"
    return "bf16" if "avx512_bf16" in flags or "amx_tile" in flags else "fp32"


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
