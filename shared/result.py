"""A run's model as a Hugging Face folder that any tool loads, made of blobs. No numpy, no torch.

The base model lies in one folder, an adapter or a whole model in another beside it. Both may be moved together:
nothing in them names the place where they lie.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from shared.blobs import Blobs
from shared.disk import private_folder, replacing, write
from shared.errors import PeerMisbehaved
from shared.ids import Digest
from shared.job import Job

_HEADER = 64 << 20  # bytes; the longest header of a file we would believe
_WEIGHTS = (".safetensors", ".safetensors.index.json")


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the disk can do it, else a copy; the target appears at once."""
    try:
        _at_once(target, lambda beside: os.link(source, beside))
    except OSError:  # another disk, or one without hard links
        copy(source, target)


def copy(source: Path, target: Path) -> None:
    """Bytes of its own; the target appears at once."""
    _at_once(target, lambda beside: shutil.copyfile(source, beside))


def _at_once(target: Path, make: Callable[[Path], object]) -> None:
    beside = target.with_name(f".{target.name}.new")
    beside.unlink(missing_ok=True)
    try:
        make(beside)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)  # between two names of one file, rename does nothing


Place = Callable[[Path, Path], None]


def furnish(base: Path, job: Job, blobs: Blobs, place: Place = link_or_copy) -> None:
    """The job's base model, as hard links where the disk can do it. Raises Refused when a blob is missing."""
    private_folder(base)
    for stray in base.iterdir():
        if stray.name not in job.files:
            stray.unlink()
    for name, digest in job.files.items():
        source, target = blobs.require(digest), base / name
        if place is link_or_copy and target.exists() and os.path.samefile(source, target):
            continue
        place(source, target)


def lay_out(job: Job, blobs: Blobs, model: Digest, base: Path, tuned: Path, place: Place = link_or_copy) -> None:
    """`base`, and in `tuned` beside it the adapter or the whole model. Each file is replaced all or nothing.

    An adapter's folder also shows its base's configuration and weights, so that transformers finds the whole model.
    """
    assert base.parent == tuned.parent
    furnish(base, job, blobs, place)
    private_folder(tuned)
    adapter = job.lora is not None
    for name in job.files:
        if name.endswith(_WEIGHTS) and adapter:
            _show(base / name, tuned / name)
        elif not name.endswith(_WEIGHTS) and (adapter or name != "config.json"):
            place(base / name, tuned / name)
    if adapter:
        assert job.lora is not None
        names = [tensor.name for tensor in job.tensors]
        config = adapter_config(job.lora, job.lora_alpha, names, f"../{base.name}")
        _write_json(tuned / "adapter_config.json", config)
    elif job.app is None:  # of a Flower app, arrays are all there is
        config = json.loads((base / "config.json").read_bytes())
        sparse = (
            {"trained_with_attention": "block_sparse"} if job.attention == "block_sparse_anyway" else {}
        )  # our own note
        _write_json(tuned / "config.json", {**config, **sparse, "dtype": "float32", "torch_dtype": "float32"})
    save_for_others(blobs.require(model), tuned / ("adapter_model.safetensors" if adapter else "model.safetensors"))


def adapter_config(rank: int, alpha: int, tensors: Iterable[str], base: str) -> dict[str, Any]:
    """For peft: which layers have an adapter is read off the tensors' names (`...q_proj.lora_A.weight`)."""
    return {
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": sorted({name.split(".")[-3] for name in tensors}),
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": False,
    }


def save_for_others(blob: Path, target: Path) -> None:
    """The same values under a header that says `pt`, which transformers asks for; copied, never held in memory."""
    with open(blob, "rb") as source:
        try:
            (length,) = struct.unpack("<Q", source.read(8))
            if length > _HEADER:
                raise ValueError("its header is too long")
            header = {"__metadata__": {"format": "pt"}, **json.loads(source.read(length))}
        except (ValueError, struct.error, TypeError) as error:
            raise PeerMisbehaved(f"The model is not a safetensors file ({error}).") from error
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with replacing(target, 0o644) as file:
            file.write(struct.pack("<Q", len(text)) + text)
            shutil.copyfileobj(source, file, 1 << 20)


def _show(file: Path, beside: Path) -> None:
    """A relative symbolic link, which moves along and takes no room when copied; else a hard link or a copy."""
    beside.unlink(missing_ok=True)
    try:
        beside.symlink_to(os.path.relpath(file, beside.parent))
    except OSError:  # Windows without the right, or a disk without links
        link_or_copy(file, beside)


def _write_json(path: Path, value: object) -> None:
    write(path, json.dumps(value, indent=2, sort_keys=True).encode() + b"\n", 0o644)
