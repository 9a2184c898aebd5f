"""What this PC can do: its device, the number formats it is fast in, the memory that is free."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import platform
from collections.abc import Callable
from pathlib import Path

import psutil
import torch

from node.logic.fit import Precision
from shared.errors import OwnerMustAct

_CLEAR_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def device_for(rank: int) -> torch.device:
    """The rank's card, or the CPU."""
    if not torch.cuda.is_available() or os.environ.get("DS_ACCELERATOR") == "cpu":
        return torch.device("cpu")
    device = torch.device("cuda", rank)
    torch.cuda.set_device(device)
    return device


def precision(wanted: Precision, device: torch.device) -> str:
    """fp32, bf16 or fp16. `auto` takes bf16 only where the hardware has it: emulated it is slower than fp32."""
    if wanted == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
        return "bf16" if _cpu_has_bf16() else "fp32"
    if wanted == "fp16" and device.type == "cpu":
        raise OwnerMustAct("This PC trains on its CPU, which has no fp16. Use fp32 or bf16.")
    return wanted


def torch_type(name: str) -> torch.dtype:
    return _TYPES[name]


def attention(device: torch.device) -> str:
    """flash-attn where it is installed and the card can use it (Ampere or newer), else torch's own attention."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        try:
            if importlib.util.find_spec("flash_attn") and importlib.import_module("flash_attn"):
                return "flash_attention_2"
        except ImportError:  # built for another torch
            return "sdpa"
    return "sdpa"


def nccl_words(world: int, reaches: Callable[[int, int], bool]) -> dict[str, str]:
    """NCCL's environment for the cards of one PC; `reaches(a, b)`: card a can read card b's memory directly.

    GeForce 40 and 50 cannot, by their driver, and NCCL may hang when it tries; then it goes through main memory.
    """
    words = {"NCCL_IB_DISABLE": "1", "NCCL_SOCKET_IFNAME": "lo"}
    if not all(reaches(a, b) for a in range(world) for b in range(world) if a != b):
        words["NCCL_P2P_DISABLE"] = "1"
    return words


def is_wsl() -> bool:
    """Under WSL2 locking main memory for the card fails."""
    return "microsoft" in platform.uname().release.lower()


def free_memory(device: torch.device, world: int) -> int:
    """Bytes this rank may count on."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available) // world


def reset_peak(device: torch.device) -> None:
    """From now on `peak_memory` counts anew. On a CPU this works on Linux only; elsewhere the peak is the process's."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        _CLEAR_REFS.write_text("5")  # proc(5): resets VmHWM to what is resident now


def peak_memory(device: torch.device) -> int:
    """Bytes held at most since `reset_peak`: by tensors on the card, or by the whole process on a CPU.

    Files that are mapped into memory count where they were read. Raises nothing.
    """
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) << 10
    except OSError:
        memory = psutil.Process().memory_info()
        return int(getattr(memory, "peak_wset", memory.rss))  # Windows keeps a peak, macOS none


def trim() -> None:
    """Give the memory that loading has left behind back to the system. glibc keeps it: 464 of 1,125 MB after quantising
    a 340 M model to NF4 on a CPU (measured). Other C libraries have no such call."""
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if give_back is not None:
        give_back(0)


def lowest_stage(parameters: int, trainable: int, width: int, world: int, free: int) -> int:
    """The lowest ZeRO stage whose weights, gradients and Adam state fit in 80 % of `free` bytes; 3 when none does.

    `width` is bytes a parameter in the compute format. A lower stage talks less: ZeRO-1 only once a step.
    """
    fixed = parameters * width
    for stage, need in (
        (1, fixed + trainable * width + 12 * trainable / world),
        (2, fixed + trainable * (width + 12) / world),
    ):
        if need < 0.8 * free:
            return stage
    return 3


def _cpu_has_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
