"""Every fit keeps the engines' promises, on 1 and 2 ranks, without a compiler (see exchange.py)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.node.train.exchange import fits
from tests.node.train.trials import trials

pytestmark = pytest.mark.slow
Results = dict[str, dict[str, Any]]
CASES = fits()


@pytest.fixture(scope="module", params=[1, 2], ids=lambda world: f"world{world}")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    found = trials(request.param, tmp_path_factory.mktemp(f"world-{request.param}"), "fits")
    assert found.keys() == CASES.keys()
    return found


def test_weights_come_out_as_they_went_in_bit_for_bit(results: Results) -> None:
    assert [case for case, found in results.items() if found["different after load"]] == []
    assert [case for case, found in results.items() if found["stale working copies"]] == []


def test_a_fit_computes_the_loss_of_an_ordinary_model_with_those_weights(results: Results) -> None:
    limit = {"fp32": 1e-4, "bf16": 0.01}
    assert [case for case, found in results.items() if found["loss off by"] > limit[case[-4:]]] == []


def test_the_next_step_does_not_bring_the_old_weights_back(results: Results) -> None:
    for case, found in results.items():
        assert found["moved by a step without learning"] == 0.0, case
        assert 0.0 < found["moved by a step"] < 2e-3, case


def test_a_step_repeated_from_the_optimizer_checkpoint_is_the_same_step(results: Results) -> None:
    assert [case for case, found in results.items() if found["different when repeated from a checkpoint"]] == []


def test_an_abandoned_step_never_was(results: Results) -> None:
    assert [case for case, found in results.items() if found["moved by an abandoned step"]] == []
    assert [case for case, found in results.items() if found["different after an abandoned step"]] == []


def test_exact_fits_learn_as_plain_torch_does(results: Results) -> None:
    """Losses of 5.5 after one to four steps; offload and recomputation change nothing but where things lie."""
    for case, found in results.items():
        plain = results[f"{CASES[case].recipe} plain fp32"]["losses"]
        if CASES[case].precision == "fp32" and not CASES[case].approximate:
            assert found["losses"] == pytest.approx(plain, abs=2e-5), case


def test_eight_and_four_bits_learn_nearly_alike(results: Results) -> None:
    for case, found in results.items():
        plain = results[f"{CASES[case].recipe} plain fp32"]["losses"]
        if CASES[case].approximate or CASES[case].precision == "bf16":
            assert found["losses"] == pytest.approx(plain, abs=5e-2), case
            assert found["losses"][-1] < found["losses"][0], case


def test_what_is_not_finite_is_skipped(results: Results) -> None:
    for case, found in results.items():
        for what in ("gradient", "loss"):
            assert found[f"skipped for its {what}"], case
            assert found[f"moved by a skipped {what}"] == [], case
            assert found[f"different after a skipped {what}"] == [], case


@pytest.mark.skipif("FAST_FOLDER" not in os.environ, reason="needs libaio: FAST_FOLDER and TORCH_EXTENSIONS_DIR say so")
def test_on_disk_as_in_memory(tmp_path: Path) -> None:
    """Offload to disk; run with a folder on a fast disk, libaio and a compiler (or what it once made)."""
    kept = {name: os.environ[name] for name in ("PATH", "TORCH_EXTENSIONS_DIR")}
    found = trials(2, tmp_path, "disk", **kept)
    disk = found["full disk fp32"]
    assert disk["losses"] == pytest.approx(found["full plain fp32"]["losses"], abs=2e-5)
    assert not disk["different after load"]
    assert not disk["stale working copies"]
    assert disk["moved by a step without learning"] == 0.0
    assert not disk["moved by a skipped gradient"]
