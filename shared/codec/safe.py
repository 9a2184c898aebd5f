"""The one door for tensors that travel: a safetensors file of exactly the tensors we expect, and nothing else.

The layout is canonical (`shared/codec/layout.py`), so the same values have the same digest everywhere, and a file is
accepted only if its header is, byte for byte, the one we would have written. The parser below never decides what is
accepted: it only finds words for a refusal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from shared.codec.bf16 import BLOCK, Bits, Float32, decode, encode
from shared.codec.layout import DTYPE, Layout, Origin, layout, origin
from shared.digesting import Digesting
from shared.disk import replacing
from shared.errors import Refusal, Refused
from shared.ids import Digest
from shared.job import Codec, TensorSpec
from shared.units import size_words

MAX_HEADER = 4 << 20  # bytes; a 70 B model's header has 0.1 MB
TOO_LARGE = 1e8  # no weight and no update of one is ever this large; their squares still fit a float64 sum
_SHOWN = 3  # names in a refusal

__all__ = [
    "Buffers", "Layout", "Origin", "Writer", "check", "fill", "finite", "header", "layout", "origin_of", "read",
    "write",
]  # fmt: skip


def check(path: Path, tensors: Sequence[TensorSpec], codec: Codec, made_by: Origin | None = None) -> Layout:
    """The layout, if the file has exactly it. Raises Refused (update) naming the first thing that differs.

    `made_by`: what an update must say of itself; models and deltas say nothing.
    """
    expected = layout(tensors, codec, made_by.metadata if made_by else None)
    size = path.stat().st_size
    if size > expected.size + MAX_HEADER:
        raise _refused(f"The file has {size_words(size)}; one of this run has {size_words(expected.size)}.")
    with open(path, "rb") as file:
        start = file.read(len(expected.header))
        if start == expected.header and size == expected.size:
            return expected
        _explain(start + file.read(8 + MAX_HEADER - len(start)), size, expected, made_by)
    raise _refused("The file's header lists the right tensors but is not written the way Potluck writes it.")


def finite(path: Path, expected: Layout) -> float:
    """The L2 norm of all values. Raises Refused (update) naming a tensor with NaN, infinity or an absurd value."""
    squares = 0.0
    buffers = Buffers(expected)
    for at, block in buffers.blocks(path):
        worst = float(np.abs(block, out=buffers.spare[: block.size]).max())  # NaN wins over everything
        if not worst <= TOO_LARGE:
            where = at + int(np.flatnonzero(~(np.abs(block) <= TOO_LARGE))[0])
            value = float(block[where - at])
            what = "not a number (NaN)" if math.isnan(value) else "infinite" if math.isinf(value) else f"{value:.3g}"
            raise _refused(f"{expected.name_at(where)} holds a value that is {what}: the training went wrong there.")
        squares += float(np.square(block, out=buffers.spare[: block.size]).sum(dtype=np.float64))
    return math.sqrt(squares)


def write(target: Path | BinaryIO, tensors: Iterable[tuple[str, Float32]], where: Layout) -> Digest:
    """Write float32 tensors, encoded on the way; they must come sorted by name. Returns the file's digest.

    While one is written the next is made, so two are in memory. A path is replaced all or nothing.
    """
    if isinstance(target, Path):
        with replacing(target) as file:
            return write(file, tensors, where)
    with Writer(target, where) as writer, ThreadPoolExecutor(1) as pen:
        writing: Future[None] | None = None
        for spec, (name, values) in zip(where.tensors, tensors, strict=True):
            assert (spec.name, spec.shape) == (name, values.shape), (spec, name, values.shape)
            if writing is not None:
                writing.result()
            writing = pen.submit(writer.put, np.ascontiguousarray(values, np.float32).reshape(-1))
        if writing is not None:
            writing.result()
    return writer.digest


def read(path: Path, where: Layout) -> Iterator[tuple[str, Float32]]:
    """(name, float32 values) one tensor at a time, each an array of its own."""
    scratch = np.empty(min(BLOCK, where.count), np.uint16)
    for spec, start in zip(where.tensors, where.starts, strict=True):
        flat = np.empty(math.prod(spec.shape), np.float32)
        for at in range(0, flat.size, BLOCK):
            fill(path, where, start + at, flat[at : at + BLOCK], scratch)
        yield spec.name, flat.reshape(spec.shape)


def fill(path: Path, where: Layout, start: int, out: Float32, scratch: Bits) -> None:
    """Fill `out` (at most a block) with the values from number `start` on; `scratch` holds bf16 bits meanwhile.

    Opened anew each time: a hundred files folded at once need one descriptor.
    """
    view = (out.data if where.codec == "fp32" else scratch[: out.size].data).cast("B")
    with open(path, "rb", buffering=0) as file:
        file.seek(len(where.header) + start * where.item)
        while view:
            got = file.readinto(view)
            if not got:
                raise Refused(Refusal.CORRUPT, f"{path} is cut short on this disk; it must be fetched again.")
            view = view[got:]
    if where.codec == "bf16":
        decode(scratch[: out.size], out)


class Buffers:
    """One block of float32 for the values, a spare one, and one for bf16 bits; used again and again."""

    def __init__(self, where: Layout) -> None:
        self.where = where
        size = max(1, min(BLOCK, where.count))
        self.values, self.spare = np.empty(size, np.float32), np.empty(size, np.float32)
        self.bits = np.empty(size, np.uint16)

    def blocks(self, path: Path) -> Iterator[tuple[int, Float32]]:
        """(number of its first value, block) over the whole file; a block is valid until the next one."""
        for start in range(0, self.where.count, BLOCK):
            block = self.values[: min(BLOCK, self.where.count - start)]
            fill(path, self.where, start, block, self.bits)
            yield start, block


class Writer:
    """Takes the values of a file in order, in pieces of any size, and encodes and hashes them on the way."""

    def __init__(self, file: BinaryIO, where: Layout) -> None:
        self._out, self._where, self._written = Digesting(file), where, 0
        self._bits = np.empty(min(BLOCK, where.count), np.uint16) if where.codec == "bf16" else None
        self._out.write(where.header)

    def __enter__(self) -> Writer:
        return self

    def put(self, values: Float32) -> None:
        """Append these values (one dimension, contiguous)."""
        self._written += values.size
        for start in range(0, values.size, BLOCK):
            piece = values[start : start + BLOCK]
            self._out.write((piece if self._bits is None else encode(piece, self._bits[: piece.size])).data.cast("B"))

    @property
    def digest(self) -> Digest:
        """Of the whole file."""
        assert self._written == self._where.count, (self._written, self._where.count)
        return self._out.digest

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._out.__exit__(kind, error, at)
        assert kind is not None or self._written == self._where.count, (self._written, self._where.count)


def header(path: Path) -> dict[str, Any]:
    """The entries of a safetensors header, duplicate names refused. Raises Refused (update)."""
    with open(path, "rb") as file:
        return _parse(file.read(8 + MAX_HEADER), path.stat().st_size)[0]


def origin_of(path: Path) -> Origin | None:
    """Who made this update, as it says. Raises Refused (update) when it is no file of tensors."""
    return origin(header(path).get("__metadata__"))


def _explain(start: bytes, size: int, expected: Layout, made_by: Origin | None) -> None:
    """Raise the most telling refusal for a file that begins with `start` and has `size` bytes, if there is one."""
    entries, length = _parse(start, size)
    wanted = {spec.name: spec for spec in expected.tensors}
    if made_by is not None:
        _explain_origin(entries.pop("__metadata__", None), made_by)
    if "__metadata__" in entries and "__metadata__" not in wanted:
        raise _refused("The file carries metadata; tensors and nothing else were expected.")
    if missing := sorted(wanted.keys() - entries.keys()):
        raise _refused(f"The file lacks {_listed(missing)}: this run's updates carry {len(wanted)} tensors.")
    if extra := sorted(entries.keys() - wanted.keys()):
        raise _refused(f"The file holds {_listed(extra)}, which this run does not train.")
    dtype, item = DTYPE[expected.codec]
    for spec, first in zip(expected.tensors, expected.starts, strict=True):
        entry = entries[spec.name]
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise _refused(f"{_short(spec.name)} has a malformed entry in the header.")
        if entry["dtype"] != dtype:
            raise _refused(f"{spec.name} is {_short(entry['dtype'])}; this run uses {dtype}.")
        if entry["shape"] != list(spec.shape):
            raise _refused(f"{spec.name} has the shape {_short(entry['shape'])}; {list(spec.shape)} was expected.")
        offsets = [first * item, (first + math.prod(spec.shape)) * item]
        if entry["data_offsets"] != offsets:
            raise _refused(f"{spec.name} lies at {_short(entry['data_offsets'])}; {offsets} was expected.")
    whole = 8 + length + expected.count * item
    if size < whole:
        raise _refused(f"The file is cut short: {whole - size} bytes are missing.")
    if size > whole:
        raise _refused(f"{size - whole} bytes follow the last tensor; nothing was expected there.")


def _explain_origin(metadata: object, expected: Origin) -> None:
    said = origin(metadata)
    if said is None:
        raise _refused("The file does not say which PC made it, and for which round. Update potluck on that PC.")
    if said.node != expected.node:
        raise _refused(f"Another PC ({_short(said.node)}) made this file; an update counts only for who made it.")
    if said.run != expected.run:
        raise _refused(f"The file was made for the run {_short(said.run)}; this is {expected.run}.")
    if said.round != expected.round:
        raise _refused(f"The file was made for round {said.round}; this is round {expected.round}.")


def _parse(start: bytes, size: int) -> tuple[dict[str, Any], int]:
    """The header's entries and its length, from the first bytes of a file."""
    if len(start) < 8:
        raise _refused("The file is cut short: it has no header.")
    length = int.from_bytes(start[:8], "little")
    if length > MAX_HEADER or 8 + length > size:
        raise _refused(f"The file claims a header of {size_words(length)}: it is not safetensors, or was cut short.")
    try:
        entries = json.loads(start[8 : 8 + length], object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        raise _refused("The file's header is not JSON: it is not a safetensors file.") from None
    if not isinstance(entries, dict):
        raise _refused("The file's header is not a JSON object.")
    return entries, length


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1) if len(names) < 1000 else "a name"
        raise _refused(f"{_short(twice)} stands twice in the file's header.")
    return entries


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(_short(name) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return shown + more


def _short(value: object) -> str:
    """At most 120 printable characters of what a stranger wrote."""
    text = "".join(c if c.isprintable() else "?" for c in str(value)[:121])
    return text if len(text) <= 120 else f"{text[:117]}..."


def _refused(sentence: str) -> Refused:
    return Refused(Refusal.UPDATE, sentence)
