"""DeepSpeed's compiled parts, for offload: built once, into a folder of ours, by one process at a time.

None is needed: without a compiler Adam on the CPU is torch's. Only offload to disk cannot do without.

torch marks a build under way by a file called `lock`, and a build that was killed leaves it: every later start would
wait for ever. Whoever holds our own lock (the kernel's, so it ends with its process) knows such a file to be stale.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from node.home import cache
from shared.disk import private_folder, turn
from shared.errors import OwnerMustAct

_FAILURES = (RuntimeError, OSError, ImportError, subprocess.SubprocessError)  # what a build that fails raises


def fast_adam() -> Any | None:
    """DeepSpeed's Adam for main memory (the class), or None where it cannot be built."""
    if not _can_build():
        return None
    from deepspeed.ops.adam import DeepSpeedCPUAdam
    from deepspeed.ops.op_builder import CPUAdamBuilder

    try:
        with alone():
            CPUAdamBuilder().load(verbose=False)
    except _FAILURES as error:
        print(f"DeepSpeed's Adam could not be built, torch's is used: {error}", file=sys.stderr)
        return None
    return DeepSpeedCPUAdam


def require_disk(folder: Path) -> None:
    """Make offload to `folder` ready. Raises OwnerMustAct with what to do when this PC cannot."""
    from deepspeed.ops.op_builder import AsyncIOBuilder

    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OwnerMustAct(f"{folder} is not a folder that can be written to, so nothing can be kept there.")
    if not _can_build() or not AsyncIOBuilder().is_compatible(verbose=False):
        raise OwnerMustAct(
            "Offload to disk needs libaio and a compiler on this PC (on Debian and Ubuntu: "
            "`sudo apt install libaio-dev g++ ninja-build`). Use offload of parameters to main memory instead."
        )
    try:
        with alone():
            AsyncIOBuilder().load(verbose=False)
    except _FAILURES as error:
        raise OwnerMustAct(f"The part of DeepSpeed that writes to disk could not be built ({error}).") from error


@contextmanager
def alone() -> Iterator[Path]:
    """The folder of compiled parts, with nobody of ours building, and no stale lock in it."""
    ours = cache() / "extensions" / f"torch-{torch.__version__}"
    folder = private_folder(Path(os.environ.setdefault("TORCH_EXTENSIONS_DIR", str(ours))))
    with turn(folder / "potluck.lock"):
        for stale in folder.glob("*/lock"):
            stale.unlink(missing_ok=True)
        yield folder


def _can_build() -> bool:
    """Whether there is a C++ compiler, ninja and, with a CUDA build of torch, the CUDA toolkit."""
    from torch.utils import cpp_extension

    beside = str(Path(sys.executable).parent)  # always the same ninja: another one would build everything again
    if beside not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([beside, os.environ["PATH"]])
    tools = (os.environ.get("CXX", "c++"), "ninja")
    return all(shutil.which(tool) for tool in tools) and (
        not torch.cuda.is_available() or cpp_extension.CUDA_HOME is not None
    )
