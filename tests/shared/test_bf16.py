"""bfloat16 bits: rounding, special values, shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codec.bf16 import BLOCK, decode, encode


def floats(*bits: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(bits, np.uint32).view(np.float32)


@given(st.integers(0, 0xFFFF))
def test_what_bf16_can_hold_survives_both_ways(bits: int) -> None:
    once = np.array([bits], np.uint16)
    value = decode(once)
    if np.isnan(value[0]):
        assert np.isnan(decode(encode(value))[0])
    else:
        assert encode(value)[0] == bits


@given(st.floats(width=32, allow_nan=False, min_value=-(2.0**127), max_value=2.0**127))
def test_a_value_goes_to_its_nearest_neighbour(value: float) -> None:
    bits = int(np.array([value], np.float32).view(np.uint32)[0])
    below, above = bits >> 16, (bits >> 16) + 1  # by magnitude
    chosen = int(encode(np.array([value], np.float32))[0])
    distances = {side: abs(float(decode(np.array([side], np.uint16))[0]) - value) for side in (below, above)}
    assert distances[chosen] == min(distances.values())
    if distances[below] == distances[above]:
        assert chosen % 2 == 0


def test_ties_go_to_even() -> None:
    assert encode(floats(0x3F808000, 0x3F818000)).tolist() == [0x3F80, 0x3F82]


@pytest.mark.parametrize("bits", [0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000])
def test_nan_stays_nan(bits: int) -> None:
    assert np.isnan(decode(encode(floats(bits)))[0])


def test_infinities_and_signed_zeros_stay() -> None:
    assert encode(np.array([np.inf, -np.inf, 0.0, -0.0], np.float32)).tolist() == [0x7F80, 0xFF80, 0, 0x8000]


def test_shapes_and_given_buffers_are_kept_across_blocks() -> None:
    values = np.random.default_rng(1).standard_normal((3, BLOCK // 2 + 7), np.float32)
    bits, back = np.empty(values.shape, np.uint16), np.empty(values.shape, np.float32)
    assert encode(values, bits) is bits
    assert decode(bits, back) is back
    assert np.abs(back - values).max() <= np.abs(values).max() * 2**-8
    assert (encode(values) == bits).all()


def test_it_rounds_as_torch_does() -> None:
    torch = pytest.importorskip("torch")
    bits = np.random.default_rng(2).integers(0, 1 << 32, 200_000, np.uint32)
    values = bits.view(np.float32)
    values = values[~np.isnan(values)]
    theirs = torch.from_numpy(values.copy()).to(torch.bfloat16).view(torch.uint16).numpy()
    assert (encode(values) == theirs).all()
