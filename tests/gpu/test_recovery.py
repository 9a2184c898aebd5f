"""Instruments and checkpoints of a PC with a card."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from node.train.sensors import Sensors
from tests.node.train.room import make_room
from tests.node.train.test_checkpoint import Here

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no card here"),
]


def test_a_card_tells_its_temperature_power_and_memory() -> None:
    found = Sensors(torch.device("cuda", 0)).read()
    assert 0 < found["celsius"] < 120
    assert found["memory_bytes"] >= 0
    assert found.get("watts", 1.0) > 0  # not every card tells


def test_a_card_goes_on_from_a_checkpoint_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """Sums on a card are taken in any order, so close is enough; Adam started afresh would be far off."""
    room = make_room(tmp_path, lora=3, steps=12, rounds=1, sequence=16, batch=32)
    whole = Here(room, "whole")
    assert whole.round(1) is not None
    assert Here(room, "broken", leave_after=5).round(1) is None
    again = Here(room, "broken")
    assert again.round(1) is not None
    for (name, one), (_, other) in zip(
        whole.bench.engine.read_weights(), again.bench.engine.read_weights(), strict=True
    ):
        assert one == pytest.approx(other, abs=1e-4), name
