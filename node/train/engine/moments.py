"""Adam's state in files that any number of ranks, and any engine, can go on from.

Every engine keeps the moments of a trainable somewhere: whole (torch), or as a stretch of a long flat tensor that is
split over the ranks (ZeRO, padded in stage 3). A `Piece` says where. What is written is cut by trainables, not by
ranks: `exp_avg/NAME/START` holds the values of NAME from START on, so a reader takes the stretches it needs from
whoever wrote them, and no bit is changed on the way. The states of 8-bit optimizers are quantised in blocks of the
tensor they belong to, so they are only put back into the same pieces. How fp16's losses are scaled stands beside them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import safe_open

from shared.digesting import Digesting
from shared.disk import replacing
from shared.ids import Digest

Scale = Mapping[str, float]
MOMENTS = ("exp_avg", "exp_avg_sq")
_TYPES = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.uint8: "U8", torch.int64: "I64",
    torch.int32: "I32",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """The values [start, start + count) of a trainable are at `offset` of `master`, which the optimizer steps on."""

    name: str
    start: int
    count: int
    master: torch.Tensor
    offset: int


def save(
    optimizer: torch.optim.Optimizer, pieces: Sequence[Piece], path: Path, scale: Scale = MappingProxyType({})
) -> Digest:
    """Write the state that lies in `pieces`; returns the file's digest. Raises OwnerMustAct when the disk is full.

    `scale`: how fp16's losses are scaled, in the engine's own words.
    """
    tensors: dict[str, torch.Tensor] = {}
    for number, master in enumerate(_masters(pieces)):
        state = optimizer.state.get(master, {})
        if MOMENTS[0] in state:
            tensors["step"] = torch.as_tensor(float(state["step"]))
        else:
            tensors |= {f"own/{number}/{name}": torch.as_tensor(value) for name, value in state.items()}
    for piece in pieces:
        state = optimizer.state.get(piece.master, {})
        for kind in MOMENTS:
            if kind in state and piece.count:
                values = state[kind].flatten().narrow(0, piece.offset, piece.count)
                tensors[f"{kind}/{piece.name}/{piece.start}"] = values
    return _write(path, tensors, {"pieces": _layout(pieces), "scale": json.dumps(dict(scale))})


def load(optimizer: torch.optim.Optimizer, pieces: Sequence[Piece], paths: Sequence[Path]) -> Scale:
    """Put back what all ranks wrote, `paths` being their files, whatever their number was; returns the scale.

    Raises ValueError when something is missing, or belongs to another model; the optimizer is then as new.
    """
    optimizer.state.clear()
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(safe_open(path, "pt")) for path in paths]
            own = [name for file in files for name in file.keys() if name.startswith("own/")]  # noqa: SIM118
            _load_own(optimizer, pieces, files) if own else _load_moments(optimizer, pieces, files)
            scale: Scale = json.loads((files[0].metadata() or {}).get("scale", "{}"))
            return scale
    except Exception:
        optimizer.state.clear()
        raise


def _load_moments(optimizer: torch.optim.Optimizer, pieces: Sequence[Piece], files: Sequence[Any]) -> None:
    written = _stretches(files)
    if not written:
        return  # saved before the first step
    steps = next(file.get_tensor("step") for file in files if "step" in file.keys())  # noqa: SIM118
    for master in _masters(pieces):
        plain = isinstance(optimizer, torch.optim.AdamW)
        step = steps.to(master.device if master.is_cuda and plain else "cpu").clone() if plain else int(steps)
        optimizer.state[master] = {"step": step, **{kind: torch.zeros_like(master) for kind in MOMENTS}}
    for piece in pieces:
        for kind in MOMENTS:
            target = optimizer.state[piece.master][kind].view(-1).narrow(0, piece.offset, piece.count)
            _fill(target, piece, written.get(f"{kind}/{piece.name}", []))


def _fill(target: torch.Tensor, piece: Piece, written: Sequence[tuple[int, int, Any, str]]) -> None:
    """Copy the parts of `written` (start, count, file, key) that lie in the piece; they must cover it."""
    covered = 0
    for start, count, file, key in written:
        first, last = max(start, piece.start), min(start + count, piece.start + piece.count)
        if first < last:
            part = file.get_slice(key)[first - start : last - start]
            target[first - piece.start : last - piece.start].copy_(part)
            covered += last - first
    if covered != piece.count:
        raise ValueError(f"the checkpoint holds {covered} of the {piece.count} values of {piece.name} that are needed")


def _stretches(files: Sequence[Any]) -> dict[str, list[tuple[int, int, Any, str]]]:
    found: dict[str, list[tuple[int, int, Any, str]]] = {}
    for file in files:
        for key in file.keys():  # noqa: SIM118  a file handle, not a dict
            if "/" in key:
                what, start = key.rsplit("/", 1)
                found.setdefault(what, []).append((int(start), file.get_slice(key).get_shape()[0], file, key))
    return found


def _load_own(optimizer: torch.optim.Optimizer, pieces: Sequence[Piece], files: Sequence[Any]) -> None:
    """States that cannot be cut: from the file that was written for the same pieces."""
    mine = next((file for file in files if (file.metadata() or {}).get("pieces") == _layout(pieces)), None)
    if mine is None:
        raise ValueError("8-bit states only go on with the engine and the number of cards that wrote them")
    masters = _masters(pieces)
    for key in mine.keys():  # noqa: SIM118
        _, number, name = key.split("/")
        value = mine.get_tensor(key)
        master = masters[int(number)]
        optimizer.state[master][name] = int(value) if name == "step" else value.to(master.device)


def _masters(pieces: Sequence[Piece]) -> list[torch.Tensor]:
    return list({id(piece.master): piece.master for piece in pieces}.values())


def _layout(pieces: Sequence[Piece]) -> str:
    words = [(piece.name, piece.start, piece.count, piece.offset) for piece in pieces]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


def _write(path: Path, tensors: dict[str, torch.Tensor], words: dict[str, str]) -> Digest:
    """A safetensors file, one tensor at a time through main memory, hashed on the way and flushed to the disk."""
    entries: dict[str, Any] = {"__metadata__": words}
    at = 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        shape = list(tensor.shape)
        entries[name] = {"dtype": _TYPES[tensor.dtype], "shape": shape, "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    with replacing(path) as file, Digesting(file) as out:
        for data in _bytes(header, tensors):
            out.write(data)
    return out.digest


def _bytes(header: bytes, tensors: dict[str, torch.Tensor]) -> Iterator[bytes | memoryview]:
    yield len(header).to_bytes(8, "little") + header
    for tensor in tensors.values():
        flat = tensor.detach().cpu().contiguous().view(-1)
        if flat.numel():
            yield memoryview(flat.view(torch.uint8).numpy()).cast("B")
