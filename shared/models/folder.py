"""A base model's folder: is it one we can work with, and which of its files travel?

Checked before anything is loaded: a known kind of model, safetensors only, no pickles, no code,
no quantised weights, a tokenizer that fits.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from shared.errors import OwnerMustAct
from shared.models.families import KINDS, family_of, layout_of
from shared.models.trainables import trainables
from shared.models.weights import FLOATS, stored

SMALL_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
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
    _check_pickles(folder)
    code = sorted(path.name for path in folder.iterdir() if path.suffix == ".py")
    config = _json(folder / "config.json")
    tokenizer = _json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").exists() else {}
    if code or "auto_map" in config or "auto_map" in tokenizer:
        what = code[0] if code else "auto_map"
        raise OwnerMustAct(
            f"{folder} brings its own code ({what}), which never travels. Use a model transformers knows."
        )
    check_config(config, str(folder))
    if not (folder / "tokenizer.json").is_file():
        raise OwnerMustAct(
            f"{folder} has no tokenizer.json. Save its tokenizer there once: AutoTokenizer, save_pretrained."
        )
    _check_weights(folder, config)
    _check_tokenizer(folder, layout_of(config).words)
    return config


def check_config(config: dict[str, Any], where: str) -> None:
    """Is it a kind of model that is trained here? Raises OwnerMustAct."""
    if family_of(config) is None:
        what = f"{config.get('model_type')}, {config.get('architectures')}"
        raise OwnerMustAct(f"{where} holds another kind of model ({what}). Potluck trains {KINDS}.")
    if "quantization_config" in config:
        raise OwnerMustAct(f"{where} is quantised. Use the unquantised weights; each PC shrinks them its own way.")


def _check_pickles(folder: Path) -> None:
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICKLES)
    if not pickles:
        return
    what = f"{folder} holds {pickles[0]}, which can run code when it is opened, so it is never opened here. "
    if any(folder.glob("model*.safetensors")):
        raise OwnerMustAct(f"{what}Delete it: the safetensors files beside it are enough.")
    safe = f"{folder.name}-safe"
    raise OwnerMustAct(
        f'{what}Convert it once, where transformers is installed: python -c "from transformers import '
        f"AutoModelForCausalLM as M, AutoTokenizer as T; M.from_pretrained('{folder}').save_pretrained('{safe}'); "
        f"T.from_pretrained('{folder}').save_pretrained('{safe}')\", and use the folder {safe}."
    )


def _check_tokenizer(folder: Path, words: int) -> None:
    """Every id the tokenizer gives must have a row in the model's table."""
    highest = 1 + max(tokenizer(folder / "tokenizer.json").get_vocab().values(), default=-1)
    if highest > words:
        raise OwnerMustAct(
            f"The tokenizer in {folder} knows {highest:,} words, the model only {words:,}: they do not belong "
            "together. Put the tokenizer.json there that came with this model."
        )
    if not highest:
        raise OwnerMustAct(f"The tokenizer in {folder} knows no word at all.")


def tokenizer(file: Path) -> Tokenizer:
    """Raises OwnerMustAct when it cannot be read."""
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:
        raise OwnerMustAct(f"{file} is not a tokenizer ({error}).") from error


def _check_weights(folder: Path, config: dict[str, Any]) -> None:
    try:
        wanted = trainables(config, {"kind": "full"})
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise OwnerMustAct(f"{folder / 'config.json'} lacks or mistypes an entry ({error}).") from error
    there = stored(folder)
    for spec in wanted:
        if spec.name not in there:
            raise OwnerMustAct(f"{folder} lacks the weights {spec.name} that its config.json asks for.")
        if (kind := there[spec.name].dtype) not in FLOATS:
            raise OwnerMustAct(f"{spec.name} in {folder} is {kind}; float32, float16 and bfloat16 are understood.")
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
