"""Block-sparse attention (BigBird, arXiv:2007.14062, made causal): a window, a global start, a few random blocks.

One question, `sees`, says which token may look at which. On a card FlexAttention asks it once per block and skips the
blocks where the answer is no; on a CPU, where FlexAttention has no backward, a dense mask made of the same answers goes
into torch's ordinary attention. The two are the same function (tests/gpu holds one against the other).

    query block 9:   G . R . . . . W W W      (each block 64 tokens; what comes later is never seen)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn

NAME = "potluck_block_sparse"  # among transformers' attention functions
BLOCK = 64  # tokens
WINDOW = 3  # blocks: a query's own and the two before it
GLOBAL = 1  # blocks at the start that everybody sees
RANDOM = 2  # further blocks of each query, on average


def sees(batch: Any, head: Any, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """Whether the token at place `query` may look at the one at `key`: FlexAttention's mask_mod. Tensors of places."""
    row, column = query // BLOCK, key // BLOCK
    near = row - column < WINDOW
    # A fixed hash instead of chance: the same blocks on every PC. Cards count in 32 bits, and nothing here has more
    # (of a million tokens, 16,384 blocks).
    drawn = (row * 8191 + column * 12983 + 7919) % 65521 * 31607 % 65521
    random = drawn * row < RANDOM * 65521  # of a row's blocks, RANDOM on average
    return (query >= key) & (near | (column < GLOBAL) | random)


def register() -> str:
    """Make it known to transformers; returns its name there."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    return NAME


def attend(
    module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any,
    scaling: float | None = None, dropout: float = 0.0, **_: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """As transformers calls it: [rows, heads, length, d] in (keys and values may have fewer heads), [rows, length,
    heads, d] out. Whole sequences only, without padding."""
    assert query.shape[2] == key.shape[2], "there is no cache while training"
    assert attention_mask is None, "sequences are whole"
    assert not dropout, "dropout is by hooks"
    mix = flex if query.is_cuda and find_spec("triton") else dense  # torch for Windows comes without Triton
    mixed = mix(query, key, value, scaling)
    return mixed.transpose(1, 2).contiguous(), None


def dense(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None) -> torch.Tensor:
    """The reference: ordinary attention under a mask of all pairs."""
    mask = _dense_mask(query.shape[2], query.device)
    return functional.scaled_dot_product_attention(query, key, value, mask, scale=scaling, enable_gqa=True)


@cache
def _dense_mask(length: int, device: torch.device) -> torch.Tensor:
    """[length, length], True where the row sees the column."""
    places = torch.arange(length, device=device)
    return sees(0, 0, places[:, None], places[None, :])


def flex(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None) -> torch.Tensor:
    """The same on a card, block by block."""
    mask = _block_mask(query.shape[2], query.device)
    mixed: torch.Tensor = _compiled()(query, key, value, block_mask=mask, scale=scaling, enable_gqa=True)
    return mixed


@cache
def _compiled() -> Callable[..., torch.Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    os.environ.pop("TORCHDYNAMO_DISABLE", None)  # the one thing that is compiled
    compiled: Callable[..., torch.Tensor] = torch.compile(flex_attention, dynamic=False)
    return compiled


@cache
def _block_mask(length: int, device: torch.device) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask

    return create_block_mask(sees, None, None, length, length, device=device)
