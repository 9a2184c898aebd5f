"""The learning rate is a function of the run's progress and nothing else."""

from __future__ import annotations

import pytest

from node.train.schedule import learning_rate, run_progress


def test_half_of_round_two_of_four_is_three_eighths_of_the_run() -> None:
    assert run_progress(2, 4, 0.5) == pytest.approx(0.375)


def test_the_rate_warms_up_and_then_falls_to_nothing() -> None:
    rates = [learning_rate(1.0, "cosine", 0.1, progress / 100) for progress in range(101)]
    assert rates[0] == 0.0
    assert rates[5] == pytest.approx(0.5)
    assert rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_constant_rate_only_warms_up() -> None:
    assert learning_rate(2.0, "constant", 0.1, 0.05) == pytest.approx(1.0)
    assert learning_rate(2.0, "constant", 0.1, 0.9) == 2.0


def test_without_warm_up_the_first_rate_is_the_peak() -> None:
    assert learning_rate(2.0, "cosine", 0.0, 0.0) == 2.0
