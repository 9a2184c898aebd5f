"""Whole trainables on rank 0, out of pieces that are spread over the ranks.

One message a bucket and rank, and only towards rank 0: an all-gather would bring everything to everybody. The next
bucket is under way while the last one is being written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from node.train.engine import Weights
from node.train.engine.moments import Piece
from node.train.ranks import Ranks

BUCKET = 1 << 22  # values: 16 MiB, small enough to stay near the processor
_AHEAD = 2  # buckets under way
Shapes = Mapping[str, tuple[int, ...]]


def gathered(
    shapes: Shapes, pieces: Sequence[Piece], ranks: Ranks, device: torch.device
) -> Iterator[tuple[str, Weights]]:
    """Collective. The trainables of `shapes`, in its order; empty arrays on ranks other than 0.

    The masters must stay as they are until the last one was taken.
    """
    mine = {piece.name: piece for piece in pieces}
    table = _table(list(shapes), mine, ranks)
    return _received(shapes, mine, table, device) if ranks.leads else _sent(shapes, mine, device)


def _table(names: Sequence[str], mine: Mapping[str, Piece], ranks: Ranks) -> list[dict[str, tuple[int, int]]]:
    """Where each rank's piece of each trainable begins, and its length."""
    places = [(mine[name].start, mine[name].count) if name in mine else (0, 0) for name in names]
    flat = ranks.each([float(number) for place in places for number in place])
    return [dict(zip(names, zip(map(int, row[::2]), map(int, row[1::2]), strict=True), strict=True)) for row in flat]


def _sent(shapes: Shapes, mine: Mapping[str, Piece], device: torch.device) -> Iterator[tuple[str, Weights]]:
    """The other ranks' side."""
    under_way: deque[tuple[Any, torch.Tensor]] = deque()
    for names in _buckets(shapes):
        if parts := [_values(mine[name]) for name in names if name in mine and mine[name].count]:
            buffer = (parts[0] if len(parts) == 1 else torch.cat(parts)).contiguous().to(device)
            under_way.append((dist.isend(buffer, 0), buffer))
        while len(under_way) > _AHEAD:
            under_way.popleft()[0].wait()
        yield from ((name, np.empty(0, np.float32)) for name in names)
    while under_way:
        under_way.popleft()[0].wait()


@dataclass(frozen=True, slots=True)
class _Expected:
    """A bucket that is on its way to rank 0."""

    names: list[str]
    buffers: list[tuple[int, torch.Tensor, Any]]  # from which rank, its values, what to wait for


def _received(
    shapes: Shapes, mine: Mapping[str, Piece], table: Sequence[Mapping[str, tuple[int, int]]], device: torch.device
) -> Iterator[tuple[str, Weights]]:
    """Rank 0's side."""
    expected: deque[_Expected] = deque()
    for names in [*_buckets(shapes), *[None] * _AHEAD]:
        if names is not None:
            expected.append(
                _Expected(names, [_asked(rank, names, row, device) for rank, row in enumerate(table) if rank])
            )
            if len(expected) <= _AHEAD:
                continue
        if expected:
            yield from _assembled(expected.popleft(), shapes, mine, table)


def _asked(
    rank: int, names: Sequence[str], row: Mapping[str, tuple[int, int]], device: torch.device
) -> tuple[int, torch.Tensor, Any]:
    buffer = _room(sum(row[name][1] for name in names), device)
    return rank, buffer, dist.irecv(buffer, rank) if buffer.numel() else None


def _assembled(
    bucket: _Expected, shapes: Shapes, mine: Mapping[str, Piece], table: Sequence[Mapping[str, tuple[int, int]]]
) -> Iterator[tuple[str, Weights]]:
    arrived: list[tuple[int, torch.Tensor]] = []
    for rank, buffer, work in bucket.buffers:
        if work is not None:
            work.wait()
        arrived.append((rank, buffer.cpu()))
    taken = dict.fromkeys(range(len(table)), 0)
    for name in bucket.names:
        piece = mine.get(name)
        if piece is not None and piece.count == int(np.prod(shapes[name])):
            yield name, _values(piece).cpu().numpy().reshape(shapes[name])
            continue
        whole = _room(int(np.prod(shapes[name])))
        if piece is not None:
            whole[piece.start : piece.start + piece.count] = _values(piece)
        for rank, buffer in arrived:
            start, count = table[rank][name]
            whole[start : start + count] = buffer[taken[rank] : taken[rank] + count]
            taken[rank] += count
        yield name, whole.numpy().reshape(shapes[name])


def _room(count: int, device: torch.device = torch.device("cpu")) -> torch.Tensor:  # noqa: B008  never changed
    """fp32 values yet to come. numpy asks for large pages, torch does not: half the time to fill them (measured)."""
    if device.type == "cpu":
        return torch.from_numpy(np.empty(count, np.float32))
    return torch.empty(count, dtype=torch.float32, device=device)


def _values(piece: Piece) -> torch.Tensor:
    return piece.master.detach().view(-1).narrow(0, piece.offset, piece.count)


def _buckets(shapes: Shapes) -> list[list[str]]:
    """Neighbours together, until a bucket is full."""
    found: list[list[str]] = []
    room = 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        if room < size or not found:
            found.append([])
            room = BUCKET
        found[-1].append(name)
        room -= size
    return found
