"""Weights in a Hugging Face folder, read and written one tensor at a time.

Our own small reader and writer of the safetensors format: the library's numpy face knows no bfloat16 and wants every
tensor in memory to write. Reading gives float32 whatever the file holds (F32, F16, BF16); writing is float32, names
sorted, so that the same values have the same digest everywhere. This is for a base model's folder; what travels as an
update is checked more narrowly, in `shared.codec.safe`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.disk import replacing
from shared.errors import OwnerMustAct
from shared.job import TensorSpec

Float32 = NDArray[np.float32]
MAX_HEADER = 32 << 20  # bytes; a 70 B model's header has 0.1 MB
FLOATS = ("F32", "F16", "BF16")  # what can be read; other kinds are tables that old files carry along
_ITEM = {
    "F32": 4, "F16": 2, "BF16": 2, "F64": 8, "BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "U32": 4, "I32": 4,
    "U64": 8, "I64": 8, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stored:
    """Where one tensor lies: `start` in bytes from the beginning of `file`."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int


def stored(folder: Path, stem: str = "model") -> dict[str, Stored]:
    """Every tensor of `stem`.safetensors or of the shards its index names. Raises OwnerMustAct naming the bad file."""
    index = folder / f"{stem}.safetensors.index.json"
    names = sorted(set(_index(index).values())) if index.exists() else [f"{stem}.safetensors"]
    found: dict[str, Stored] = {}
    for name in names:
        if "/" in name or "\\" in name or not (folder / name).is_file():
            raise OwnerMustAct(f"{folder} has no weights file {name}.")
        found.update(_header(folder / name))
    return found


def read(tensor: Stored) -> Float32:
    """The values as float32, exactly. Raises OwnerMustAct when they are of a kind that is not read here."""
    if tensor.dtype not in FLOATS:
        raise OwnerMustAct(f"{tensor.file} holds {tensor.dtype} weights; float32, float16 and bfloat16 are understood.")
    count = math.prod(tensor.shape)
    with open(tensor.file, "rb") as file:
        file.seek(tensor.start)
        raw = file.read(count * _ITEM[tensor.dtype])
    match tensor.dtype:
        case "F32":
            values = np.frombuffer(raw, "<f4")
        case "F16":
            values = np.frombuffer(raw, "<f2").astype(np.float32)
        case _:  # BF16: the upper half of a float32
            values = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32, copy=False).reshape(tensor.shape)


def write(path: Path, specs: Iterable[TensorSpec], values: Iterable[tuple[str, Float32]]) -> None:
    """Write float32 tensors in name order; `values` must come in that order, so only one is ever in memory."""
    ordered = sorted(specs, key=lambda spec: spec.name)
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}  # transformers asks for this word
    offset = 0
    for spec in ordered:
        size = 4 * math.prod(spec.shape)
        header[spec.name] = {"dtype": "F32", "shape": list(spec.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path, mode=0o644) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for spec, (name, array) in zip(ordered, values, strict=True):
            assert (name, array.shape) == (spec.name, spec.shape), (name, array.shape, spec)
            file.write(np.ascontiguousarray(array, "<f4").data)


def _index(path: Path) -> Mapping[str, str]:
    try:
        return {str(name): str(file) for name, file in json.loads(path.read_bytes())["weight_map"].items()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise OwnerMustAct(f"{path} is not a weights index ({error}).") from error


def _header(path: Path) -> Iterator[tuple[str, Stored]]:
    size = path.stat().st_size
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(MAX_HEADER, size - 8):
                raise ValueError("its header has an impossible length")
            entries = json.loads(file.read(length))
        entries.pop("__metadata__", None)
        for name, entry in entries.items():
            shape, (start, end) = tuple(int(n) for n in entry["shape"]), entry["data_offsets"]
            if entry["dtype"] not in _ITEM:
                raise ValueError(f"{name} is of the unknown kind {entry['dtype']}")
            if any(n < 0 for n in shape) or not 0 <= start <= end <= size - 8 - length:
                raise ValueError(f"{name} lies outside the file")
            if end - start != math.prod(shape) * _ITEM[entry["dtype"]]:
                raise ValueError(f"{name} has the wrong number of bytes")
            yield name, Stored(path, entry["dtype"], shape, 8 + length + start)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OwnerMustAct(f"{path} is not a usable safetensors file: {error}.") from error
