"""A checkpoint goes on with another number of cards and another engine, and not a bit of it changes on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.node.train.trials import perform

pytestmark = pytest.mark.slow
JOURNEY = [(2, 2, "-", "a"), (1, 0, "a", "b"), (3, 3, "b", "c"), (2, 1, "c", "d")]  # ranks, ZeRO stage, from, to


def travel(folder: Path, world: int, zero: int, source: str, target: str) -> dict[str, Any]:
    perform("tests.node.train.moving", world, folder, str(zero), source, target)
    found: dict[str, Any] = json.loads((folder / target / "result.json").read_text())
    return found


def assembled(folder: Path) -> dict[str, bytes]:
    """Every moment whole, from the stretches that the ranks wrote."""
    stretches: dict[str, list[tuple[int, Any]]] = {}
    for file in folder.glob("rank-*"):
        for key, values in load_file(file).items():
            name, _, start = key.rpartition("/")
            stretches.setdefault(name, []).append((int(start) if name else 0, values))
    steps = {float(values) for _, values in stretches.pop("")}
    assert steps == {2.0}
    return {
        name: np.concatenate([values for _, values in sorted(parts, key=lambda part: part[0])]).tobytes()
        for name, parts in stretches.items()
    }


def test_two_cards_then_one_then_three(tmp_path: Path) -> None:
    shown = [travel(tmp_path, *leg) for leg in JOURNEY]
    first = assembled(tmp_path / "a")
    assert len(first) == 2 * len(load_file(tmp_path / "a" / "weights.safetensors"))
    for _, _, _, place in JOURNEY[1:]:
        assert assembled(tmp_path / place) == first, place
        same = (tmp_path / place / "weights.safetensors").read_bytes()
        assert same == (tmp_path / "a" / "weights.safetensors").read_bytes(), place
    for one in shown[1:]:  # sums in another order: the last bits of fp32 differ
        assert one["loss"] == pytest.approx(shown[0]["loss"], rel=1e-6)
        assert one["norm"] == pytest.approx(shown[0]["norm"], rel=1e-5)
