"""What this PC's instruments say: temperature and power where there are such, and the memory in use.

Cards are read through NVML (nvidia-ml-py). `$POTLUCK_TEMPERATURE` may name a file that holds degrees Celsius, for
sensors we cannot read, and for tests.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil
import torch

_PROCESSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "acpitz")  # psutil's names for the processor's


class Sensors:
    """Those of the device we train on; for cards, of all this PC's cards. What is not there is None."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._file = os.environ.get("POTLUCK_TEMPERATURE")
        self._cards = _cards() if device.type == "cuda" else []

    def celsius(self) -> float | None:
        """The hottest of them."""
        if self._file:
            try:
                return float(Path(self._file).read_text())
            except (OSError, ValueError):
                return None
        found = [float(value) for card in self._cards if (value := card.celsius()) is not None]
        if self._device.type == "cpu":
            found = _processor()
        return max(found, default=None)

    def watts(self) -> float | None:
        """All cards together."""
        found = [value for card in self._cards if (value := card.watts()) is not None]
        return sum(found) if found else None

    def memory_bytes(self) -> int:
        """What this rank holds now: on its card, or in main memory."""
        if self._device.type == "cuda":
            return int(torch.cuda.memory_reserved(self._device))
        return int(psutil.Process().memory_info().rss)

    def read(self) -> dict[str, float]:
        """All that is there, by the names of its curves."""
        found = {"memory_bytes": float(self.memory_bytes()), "celsius": self.celsius(), "watts": self.watts()}
        return {name: value for name, value in found.items() if value is not None}


class _Card:
    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle

    def celsius(self) -> float | None:
        return self._ask(self._nvml.nvmlDeviceGetTemperature, self._nvml.NVML_TEMPERATURE_GPU)

    def watts(self) -> float | None:
        milliwatts = self._ask(self._nvml.nvmlDeviceGetPowerUsage)
        return None if milliwatts is None else milliwatts / 1000

    def _ask(self, question: Any, *words: Any) -> float | None:
        try:
            return float(question(self._handle, *words))
        except self._nvml.NVMLError:  # not supported by this card
            return None


def _cards() -> list[_Card]:
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        return [_Card(pynvml, pynvml.nvmlDeviceGetHandleByIndex(n)) for n in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def _processor() -> list[float]:
    read = getattr(psutil, "sensors_temperatures", None)  # not on Windows and macOS
    found = read() if read is not None else {}
    return [float(entry.current) for name in _PROCESSORS for entry in found.get(name, [])]
