"""The outer step."""

from __future__ import annotations

import numpy as np
import pytest

from shared.maths.outer import Nesterov, Plain, automatic


def test_plain_scales_the_mean() -> None:
    assert Plain(0.5).step(np.array([2.0, -4.0], np.float32), None)[0].tolist() == [1.0, -2.0]


def test_short_runs_average_and_long_runs_accelerate() -> None:
    assert automatic(99) == Plain(1.0)
    assert automatic(100) == Nesterov(0.7, 0.9)


def test_nesterov_moves_as_torch_does() -> None:
    torch = pytest.importorskip("torch")
    start = np.random.default_rng(0).standard_normal(64).astype(np.float32)
    theirs = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = torch.optim.SGD([theirs], lr=0.7, momentum=0.9, nesterov=True)
    ours, momentum = start.copy(), np.zeros(64, np.float32)
    for round_ in range(5):
        delta = np.random.default_rng(round_ + 1).standard_normal(64).astype(np.float32)
        theirs.grad = torch.from_numpy(-delta)
        optimizer.step()
        step, _ = Nesterov(0.7, 0.9).step(delta.copy(), momentum)
        ours += step
    assert np.allclose(ours, theirs.detach().numpy(), rtol=1e-6, atol=1e-6)
