"""Where everything lies in a file of tensors: one canonical layout, so the size is known before a byte has come.

Names sorted, compact header with sorted keys padded with spaces to 8 bytes, no metadata, no gaps. Plain arithmetic
without numpy: the agent uses it too.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.job import Codec, TensorSpec

DTYPE: Mapping[Codec, tuple[str, int]] = {"fp32": ("F32", 4), "bf16": ("BF16", 2)}  # its name, bytes of one value


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies in a file of these tensors."""

    tensors: tuple[TensorSpec, ...]  # in file order: sorted by name
    codec: Codec
    header: bytes  # with its 8-byte length
    starts: tuple[int, ...]  # of each tensor, in values from the first
    count: int  # values altogether

    @property
    def item(self) -> int:
        """Bytes of one value."""
        return DTYPE[self.codec][1]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.header) + self.count * self.item

    def name_at(self, value: int) -> str:
        """The tensor that the value with this number belongs to."""
        return self.tensors[bisect_right(self.starts, value) - 1].name


def layout(tensors: Sequence[TensorSpec], codec: Codec, metadata: Mapping[str, str] | None = None) -> Layout:
    """The canonical layout. `metadata` is for files that stay with us (a strategy's state): updates have none."""
    ordered = tuple(sorted(tensors, key=lambda spec: spec.name))
    dtype, item = DTYPE[codec]
    entries: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    starts, count = [], 0
    for spec in ordered:
        starts.append(count)
        count += math.prod(spec.shape)
        entries[spec.name] = {
            "dtype": dtype, "shape": list(spec.shape), "data_offsets": [starts[-1] * item, count * item],
        }  # fmt: skip
    text = json.dumps(entries, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return Layout(ordered, codec, len(text).to_bytes(8, "little") + text, tuple(starts), count)
