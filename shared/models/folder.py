"""A base model's folder: is it one we can work with, and which of its files travel?

Checked before anything is loaded: Llama architecture, safetensors only, no pickles, no code, no quantised weights.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.errors import OwnerMustAct
from shared.models.trainables import trainables
from shared.models.weights import stored

SMALL_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
LLAMA = "LlamaForCausalLM"
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz"}


def travelling(folder: Path) -> dict[str, Path]:
    """The files every node needs, by name: configuration, tokenizer, weights. Anything else in the folder stays."""
    weights = {tensor.file.name: tensor.file for tensor in stored(folder).values()}
    index = folder / "model.safetensors.index.json"
    if index.exists():
        weights[index.name] = index
    small = {name: folder / name for name in SMALL_FILES if (folder / name).is_file()}
    return dict(sorted({**small, **weights}.items()))


def check(folder: Path) -> dict[str, Any]:
    """The folder's config.json. Raises OwnerMustAct with the first thing that stands in the way, in words."""
    if not (folder / "config.json").is_file():
        raise OwnerMustAct(f"{folder} is not a model folder: it has no config.json.")
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICKLES)
    if pickles:
        raise OwnerMustAct(f"{folder} holds {pickles[0]}, which can run code when it is opened. Use safetensors only.")
    code = sorted(path.name for path in folder.iterdir() if path.suffix == ".py")
    config = _json(folder / "config.json")
    tokenizer = _json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").exists() else {}
    if code or "auto_map" in config or "auto_map" in tokenizer:
        what = code[0] if code else "auto_map"
        raise OwnerMustAct(
            f"{folder} brings its own code ({what}), which never travels. Use a model transformers knows."
        )
    if config.get("model_type") != "llama" or config.get("architectures", [LLAMA]) != [LLAMA]:
        what = f"{config.get('model_type')}, {config.get('architectures')}"
        raise OwnerMustAct(f"{folder} holds another kind of model ({what}). Potluck trains {LLAMA} for now.")
    if "quantization_config" in config:
        raise OwnerMustAct(f"{folder} is quantised. Use the unquantised weights; each PC shrinks them its own way.")
    if not (folder / "tokenizer.json").is_file():
        raise OwnerMustAct(
            f"{folder} has no tokenizer.json. Save its tokenizer there once: AutoTokenizer, save_pretrained."
        )
    _check_weights(folder, config)
    return config


def _check_weights(folder: Path, config: dict[str, Any]) -> None:
    try:
        wanted = trainables(config, {"kind": "full"})
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise OwnerMustAct(f"{folder / 'config.json'} lacks or mistypes an entry ({error}).") from error
    there = stored(folder)
    for spec in wanted:
        if spec.name not in there:
            raise OwnerMustAct(f"{folder} lacks the weights {spec.name} that its config.json asks for.")
        if (shape := there[spec.name].shape) != spec.shape:
            raise OwnerMustAct(f"{spec.name} in {folder} has shape {shape}; its config.json asks for {spec.shape}.")


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise OwnerMustAct(f"{path} is not JSON ({error}).") from error
    if not isinstance(value, dict):
        raise OwnerMustAct(f"{path} is not a JSON object.")
    return value
