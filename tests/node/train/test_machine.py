"""What this PC can do, looked at for real: memory figures move with what is allocated."""

from __future__ import annotations

import subprocess
import sys

import pytest

from node.train import machine

PEAKS = """
import torch
from node.train import machine
CPU = torch.device("cpu")
large = torch.ones(64 << 20, dtype=torch.uint8)
before = machine.peak_memory(CPU)
del large
machine.reset_peak(CPU)
rested = machine.peak_memory(CPU)
small = torch.ones(48 << 20, dtype=torch.uint8)
print(before, rested, machine.peak_memory(CPU))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process start its peak anew")
def test_the_peak_is_that_of_what_was_done_since_it_was_reset() -> None:
    """In a process of its own: a heap that other tests have used does not grow."""
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True, timeout=120)
    before, rested, after = map(int, done.stdout.split())
    assert rested < before - (32 << 20)
    assert after - rested == pytest.approx(48 << 20, rel=0.1)


def test_cards_that_cannot_reach_each_other_talk_through_main_memory() -> None:
    assert machine.nccl_words(2, lambda a, b: False)["NCCL_P2P_DISABLE"] == "1"
    assert machine.nccl_words(3, lambda a, b: (a, b) != (0, 2))["NCCL_P2P_DISABLE"] == "1"
    assert "NCCL_P2P_DISABLE" not in machine.nccl_words(2, lambda a, b: True)
    assert "NCCL_P2P_DISABLE" not in machine.nccl_words(1, lambda a, b: False)
