"""The learning rate is a function of the run's progress and nothing else."""

from __future__ import annotations

import math

import pytest

from node.train.schedule import learning_rate, run_progress


def test_half_a_round_after_one_of_four_is_three_eighths_of_the_run() -> None:
    assert run_progress(1, 4, 0.5) == pytest.approx(0.375)


def test_the_rate_warms_up_and_then_falls_to_nothing() -> None:
    rates = [learning_rate(1.0, "cosine", 0.1, progress / 100) for progress in range(101)]
    assert rates[0] == 0.0
    assert rates[5] == pytest.approx(0.5)
    assert rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_tenth_of_a_runs_steps_warm_up() -> None:
    """Five rounds of twenty steps, each with the rate of its middle, as the loop asks for them."""
    rates = [
        learning_rate(1.0, "cosine", 0.1, run_progress(done, 5, (step + 0.5) / 20))
        for done in range(5)
        for step in range(20)
    ]
    assert rates.index(max(rates)) == 10
    assert rates[:10] == pytest.approx([(step + 0.5) / 10 for step in range(10)])
    assert rates[10:] == pytest.approx([0.5 + 0.5 * math.cos(math.pi * (step + 0.5) / 90) for step in range(90)])


def test_a_constant_rate_only_warms_up() -> None:
    assert learning_rate(2.0, "constant", 0.1, 0.05) == pytest.approx(1.0)
    assert learning_rate(2.0, "constant", 0.1, 0.9) == 2.0


def test_without_warm_up_the_first_rate_is_the_peak() -> None:
    assert learning_rate(2.0, "cosine", 0.0, 0.0) == 2.0
