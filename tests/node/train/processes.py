"""Processes of trainers, as tests and benchmarks start them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

PLAIN = {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""}


class Process(Protocol):
    """What `subprocess.Popen` knows."""

    pid: int
    stdin: IO[Any] | None
    stdout: IO[Any] | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...


Start = Callable[[str, Sequence[str], Mapping[str, str], Path, bool], Process]


def executed(module: str, arguments: Sequence[str], env: Mapping[str, str], log: Path, spoken_to: bool) -> Process:
    """`python -m MODULE ARGUMENTS`, which says on `log` what goes wrong; with pipes where it is `spoken_to`."""
    pipe = subprocess.PIPE if spoken_to else subprocess.DEVNULL
    with log.open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdin=pipe, stdout=pipe, stderr=errors, env=env, text=True
        )


plain_start: Start = executed  # of those with no environment of their own; conftest.py forks them instead


def start(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    *,
    bare: Path,
    spoken_to: bool = False,
) -> Process:
    """On the CPU, unless `environment` says otherwise, with an empty folder in `bare` for all compilers: whatever wants
    to compile must fail."""
    compilers = {"PATH": str(bare / "no-compilers"), "TORCH_EXTENSIONS_DIR": str(bare / "extensions")}
    env = {**os.environ, **PLAIN, **compilers, **environment}
    return (executed if environment else plain_start)(module, arguments, env, log, spoken_to)
