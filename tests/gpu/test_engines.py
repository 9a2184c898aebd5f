"""Every fit keeps the engines' promises on a card, fp16 included (see tests/node/train/exchange.py)."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from tests.node.train.exchange import on_a_card
from tests.node.train.trials import trials

pytestmark = [
    pytest.mark.gpu, pytest.mark.slow, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card"),
]  # fmt: skip
CASES = on_a_card()
ON_A_CARD = {"DS_ACCELERATOR": "cuda", "CUDA_VISIBLE_DEVICES": "0", "PATH": os.environ["PATH"]}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return trials(1, tmp_path_factory.mktemp("card"), "card", **ON_A_CARD)


def test_weights_come_out_as_they_went_in_bit_for_bit(results: dict[str, dict[str, Any]]) -> None:
    assert [case for case, found in results.items() if found["different after load"]] == []
    assert [case for case, found in results.items() if found["stale working copies"]] == []
    assert [case for case, found in results.items() if found["moved by a step without learning"]] == []


def test_what_is_not_finite_is_skipped(results: dict[str, dict[str, Any]]) -> None:
    for case, found in results.items():
        for what in ("gradient", "loss"):
            assert found[f"skipped for its {what}"], case
            assert found[f"moved by a skipped {what}"] == [], case


def test_exact_fits_learn_as_plain_torch_does(results: dict[str, dict[str, Any]]) -> None:
    """A card adds in another order each time; TF32 is off."""
    for case, found in results.items():
        near = CASES[case].approximate or CASES[case].precision != "fp32"
        plain = results[f"{CASES[case].recipe} plain fp32"]["losses"]
        assert found["losses"] == pytest.approx(plain, abs=5e-2 if near else 1e-4), case
