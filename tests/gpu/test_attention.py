"""FlexAttention on a card is the dense reference: what it gives, and what flows back."""

from __future__ import annotations

import pytest
import torch

from node.train.attention import dense, flex

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")]


@pytest.mark.filterwarnings("ignore")  # torch.compile warns about what it has not got
@pytest.mark.parametrize("length", [1024, 1000, 2048])
def test_flex_is_the_reference(length: int) -> None:
    draw = torch.Generator("cuda").manual_seed(length)

    def values(heads: int) -> torch.Tensor:
        shape = (2, heads, length, 64)
        return torch.randn(shape, generator=draw, device="cuda", dtype=torch.float32, requires_grad=True)

    inputs = [values(8), values(2), values(2)]
    towards = torch.randn(2, 8, length, 64, generator=draw, device="cuda")
    found = []
    for attend in (flex, dense):
        mixed = attend(inputs[0], inputs[1], inputs[2], 0.125)
        gradients = torch.autograd.grad((mixed * towards).sum(), inputs)
        found.append((mixed, *gradients))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-2)  # TF32 products
