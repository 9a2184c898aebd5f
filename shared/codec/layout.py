"""Where everything lies in a file of tensors: one canonical layout, so the size is known before a byte has come.

Names sorted, compact header with sorted keys padded with spaces to 8 bytes, no gaps. No metadata, but for an update's
origin. Plain arithmetic without numpy: the agent uses it too.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.ids import NodeId, RunId
from shared.job import Codec, TensorSpec

DTYPE: Mapping[Codec, tuple[str, int]] = {"fp32": ("F32", 4), "bf16": ("BF16", 2)}  # its name, bytes of one value


_MADE_BY = "potluck-origin"
_LONGEST_RUN = 80  # characters of a run's name (shared/ids.py)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made an update, and for what. It stands in the file, so an update has the digest of nobody else's.

    It keeps mistakes and plain replays out (another PC's update, another round's, another run's). Whoever has the bytes
    can write another name over it; nobody but the host ever has them.
    """

    node: NodeId
    run: RunId
    round: int

    @property
    def metadata(self) -> dict[str, str]:
        """As it stands in the file. As long for every PC and run: the size of an update follows from the job alone."""
        return {_MADE_BY: f"{self.node} {self.round:010d} {self.run:<{_LONGEST_RUN}}"}


def origin(metadata: object) -> Origin | None:
    """What a file's metadata says, if that is an origin."""
    said = metadata.get(_MADE_BY) if isinstance(metadata, dict) else None
    words = said.split() if isinstance(said, str) else []
    if len(words) != 3 or not (words[1].isascii() and words[1].isdigit() and len(words[1]) == 10):
        return None
    found = Origin(NodeId(words[0]), RunId(words[2]), int(words[1]))
    return found if found.metadata == metadata else None


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
    """The canonical layout. `metadata` is an update's origin, or what a strategy's state says of itself."""
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
