"""Weights enter and leave live engines exactly, on 1 and 3 ranks, and no engine learns differently from another.

Each number of ranks is one set of real processes that try every engine, recipe and number format (see exchange.py). Two
ranks are test_fits'.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.node.train.trials import trials

pytestmark = pytest.mark.slow
Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=[1, 3], ids=lambda world: f"world{world}")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What rank 0 found; the other ranks ended well, too."""
    return trials(request.param, tmp_path_factory.mktemp(f"world-{request.param}"), "stages")


def test_weights_come_out_as_they_went_in_bit_for_bit(results: Results) -> None:
    assert [case for case, found in results.items() if found["different after load"]] == []


def test_the_working_copies_are_fresh_after_loading(results: Results) -> None:
    """Setting only the fp32 masters leaves the 16-bit shards, or the replicas of small parameters, as they were."""
    assert [case for case, found in results.items() if found["stale working copies"]] == []


def test_an_engine_computes_the_loss_of_an_ordinary_model_with_those_weights(results: Results) -> None:
    """The sum over 16 tokens, about 88 nats. bf16 weights round where autocast does not, hence the second limit."""
    limit = {"fp32": 1e-4, "bf16": 0.01}
    assert [case for case, found in results.items() if found["loss off by"] > limit[case[-4:]]] == []


def test_the_next_step_does_not_bring_the_old_weights_back(results: Results) -> None:
    """Setting only the working copies is undone by the next optimizer step, which starts from the masters."""
    for found in results.values():
        assert found["moved by a step without learning"] == 0.0
        assert 0.0 < found["moved by a step"] < 2e-3  # Adam moves each value by about the learning rate, 1e-3


def test_a_step_repeated_from_the_optimizer_checkpoint_is_the_same_step(results: Results) -> None:
    assert [case for case, found in results.items() if found["different when repeated from a checkpoint"]] == []


@pytest.mark.parametrize("what", ["gradient", "loss"])
def test_a_step_that_is_not_finite_on_one_rank_is_skipped_on_all(results: Results, what: str) -> None:
    """Weights stay, Adam stays, and the next step is what it would have been."""
    for case, found in results.items():
        assert found[f"skipped for its {what}"], case
        assert found[f"moved by a skipped {what}"] == [], case
        assert found[f"different after a skipped {what}"] == [], case


def test_an_abandoned_step_leaves_no_trace(results: Results) -> None:
    """Halted before its last micro-batch: weights and Adam stay, no gradient is left over for the next step."""
    assert [case for case, found in results.items() if found["moved by an abandoned step"]] == []
    assert [case for case, found in results.items() if found["different after an abandoned step"]] == []


@pytest.mark.parametrize("recipe", ["full", "lora"])
def test_torch_and_every_zero_stage_learn_alike(results: Results, recipe: str) -> None:
    losses = {case: found["losses"] for case, found in results.items() if case.startswith(recipe) and "fp32" in case}
    plain = losses[f"{recipe} 0 fp32"]
    for other in losses.values():
        assert other == pytest.approx(plain, abs=2e-5)  # of 5.5: better than 4 digits
    assert plain[-1] < plain[0]


def test_fedprox_pulls_every_engine_alike(results: Results) -> None:
    """The gradient's norm over strength times distance: 1, whatever the ranks, the stage, the number format."""
    for case, found in results.items():
        assert found["pulled"] == pytest.approx(1.0, rel=1e-3 if "fp32" in case else 2e-2), case
        assert found["let go"] < 0.1, case


@pytest.mark.parametrize("recipe", ["full", "lora"])
def test_sixteen_bits_learn_nearly_alike(results: Results, recipe: str) -> None:
    plain = results[f"{recipe} 0 fp32"]["losses"]
    for stage in range(4):
        assert results[f"{recipe} {stage} bf16"]["losses"] == pytest.approx(plain, abs=5e-3)


def test_a_loss_in_chunks_teaches_every_engine_the_same(results: Results) -> None:
    for case, found in results.items():
        assert found["losses in chunks"] == pytest.approx(found["losses"], abs=2e-5 if "fp32" in case else 5e-3), case
