"""Fold a LoRA adapter into its base: W + alpha/rank * B @ A, one layer at a time, into a folder any tool can load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shared.disk import private_folder
from shared.errors import OwnerMustAct
from shared.job import TensorSpec
from shared.models.folder import SMALL_FILES, check
from shared.models.smollm2 import save_json
from shared.models.trainables import LORA_PREFIX, trainables
from shared.models.weights import Float32, Stored, read, stored, write

_PLAIN = {"use_dora": False, "use_rslora": False, "fan_in_fan_out": False, "bias": "none", "modules_to_save": None}


def merge_adapter(base: Path, adapter: Path, out: Path) -> Path:
    """Write the merged model, float32, to the folder `out`. Raises OwnerMustAct when the two do not belong together."""
    config = check(base)
    scale = _scale(adapter)
    there, low_rank = stored(base), stored(adapter, "adapter_model")
    specs = trainables(config, {"kind": "full"})
    stems = {name.removesuffix(".weight").removesuffix(".lora_A").removesuffix(".lora_B") for name in low_rank}
    homeless = stems - {LORA_PREFIX + spec.name.removesuffix(".weight") for spec in specs}
    if homeless:
        raise OwnerMustAct(f"{adapter} belongs to another model: {base} has no layer {min(homeless)}.")
    private_folder(out)
    for name in SMALL_FILES:
        if (base / name).is_file() and name != "config.json":
            shutil.copyfile(base / name, out / name)
    save_json(out / "config.json", {**config, "dtype": "float32", "torch_dtype": "float32"})
    write(out / "model.safetensors", specs, _merged(specs, there, low_rank, scale))
    return out


def _merged(
    specs: tuple[TensorSpec, ...], there: Mapping[str, Stored], low_rank: Mapping[str, Stored], scale: float
) -> Iterator[tuple[str, Float32]]:
    for spec in specs:
        values = read(there[spec.name])
        stem = LORA_PREFIX + spec.name.removesuffix(".weight")
        down, up = low_rank.get(f"{stem}.lora_A.weight"), low_rank.get(f"{stem}.lora_B.weight")
        if down is not None and up is not None:
            if (up.shape[0], down.shape[1]) != spec.shape or up.shape[1] != down.shape[0]:
                raise OwnerMustAct(f"The adapter's {stem} is {up.shape} x {down.shape}; the base has {spec.shape}.")
            values = values + read(up) @ read(down) * np.float32(scale)
        yield spec.name, values


def _scale(adapter: Path) -> float:
    path = adapter / "adapter_config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_bytes())
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OwnerMustAct(f"{adapter} is not a LoRA adapter ({error}).") from error
    special = [key for key, plain in _PLAIN.items() if config.get(key, plain) not in (plain, [])]
    special += [key for key in ("rank_pattern", "alpha_pattern") if config.get(key)]
    if special or config.get("peft_type") != "LORA" or rank < 1:
        what = ", ".join(special) or config.get("peft_type")
        raise OwnerMustAct(f"{path} is not plain LoRA ({what}); it cannot be merged here.")
    return alpha / rank
