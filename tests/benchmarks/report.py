"""What a benchmark hands back, and the few things they all look at: the machine's load, a process's memory, imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure beside the bar it is held to."""

    name: str
    figure: float
    unit: str
    bar: float
    better: Literal["lower", "higher"]
    detail: str

    @property
    def met(self) -> bool:
        return self.figure <= self.bar if self.better == "lower" else self.figure >= self.bar

    def explained(self, why: str) -> Figure:
        """A missed bar says so, and what a profile shows."""
        return self if self.met else replace(self, detail=f"missed the bar: {why}; {self.detail}")

    def line(self) -> str:
        """The JSON line, the load average at its end."""
        words = asdict(self)
        words["figure"] = float(f"{self.figure:.4g}")
        words["detail"] = f"{self.detail}; {load()}"
        return json.dumps(words, ensure_ascii=False, allow_nan=False)


def load() -> str:
    """How busy the machine is with other things: figures of a busy one are worse than they should be."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def memory(pid: int, field: Literal["VmRSS", "VmHWM"]) -> float:
    """MB (10^6 bytes) that a process has resident now, or had at most."""
    line = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{field}:")
    )  # fmt: skip
    return int(line.split()[1]) * 1024 / 1e6


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its finished children left out."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Its living children."""
    return [
        int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()
    ]


def import_times(code: str, environment: Mapping[str, str], most: int = 6) -> str:
    """Where an interpreter running `code` spends its imports: "asyncio 49 ms, grpc 28 ms ..."."""
    spent: Counter[str] = Counter()
    for line in _python(["-X", "importtime", "-c", code], environment).stderr.splitlines():
        if line.startswith("import time:") and "self" not in line:
            own, _, name = line.removeprefix("import time:").split("|")
            spent[_package(name.strip())] += int(own)
    return "imports: " + ", ".join(f"{name} {micro / 1000:.0f} ms" for name, micro in spent.most_common(most))


def import_memory(modules: Sequence[str], environment: Mapping[str, str]) -> str:
    """What each import adds to a fresh interpreter's resident memory (MB), in order."""
    return _python(["-c", _IMPORT_MEMORY, *modules], environment).stdout.strip()


_IMPORT_MEMORY = """
import importlib, os, sys
from tests.benchmarks.report import memory
before = memory(os.getpid(), "VmRSS")
print(f"python {before:.0f} MB", end="")
for name in sys.argv[1:]:
    importlib.import_module(name)
    after = memory(os.getpid(), "VmRSS")
    print(f", {name} +{after - before:.1f}", end="")
    before = after
"""


def _python(words: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], env=dict(environment), capture_output=True, text=True, check=True)


def _package(name: str) -> str:
    """google.protobuf for google's, else the first part."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "google" else parts[0].lstrip("_")
