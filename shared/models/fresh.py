"""Models that start from nothing: a named size or a config.json, weights drawn by numpy from a seed.

Matrices are normal with deviation 0.02 (the config's initializer_range), norms one, biases zero, as transformers does.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import OwnerMustAct
from shared.job import TensorSpec
from shared.models import smollm2
from shared.models.families import KINDS, family_of, layout_of
from shared.models.smollm2 import llama_config, save_json
from shared.models.trainables import generator, trainables
from shared.models.vocabulary import BYTE_WORDS as BYTE_WORDS
from shared.models.vocabulary import cut, save_byte_tokenizer
from shared.models.weights import Float32, write

SEED = 0
WORDS = 32_000  # of every size but the tiny one
_SMOLLM2 = 49_152  # words in its tokenizer; a cut to a few hundred of them would be hardly more than bytes
_FEW = 1_000

# name: (hidden, inner, layers, heads, key-value heads, context)
SIZES = {
    "potluck-tiny": (64, 192, 2, 4, 2, 512),  # 0.1 M with the byte tokenizer it always has: for tests
    "potluck-25m": (320, 864, 12, 5, 5, 2048),  # 25,116,480 parameters
    "potluck-125m": (768, 2048, 12, 12, 12, 2048),  # 109,529,856
    "potluck-350m": (1024, 2816, 24, 16, 16, 2048),  # 341,099,520
    "potluck-1b": (2048, 4096, 24, 16, 16, 2048),  # 1,072,269,312
}


def size_config(name: str) -> dict[str, Any]:
    """The config.json of that size."""
    hidden, inner, layers, heads, kv_heads, context = SIZES[name]
    return llama_config(
        bos_token_id=1, eos_token_id=2, pad_token_id=2, head_dim=hidden // heads, hidden_size=hidden,
        intermediate_size=inner, max_position_embeddings=context, num_attention_heads=heads, num_hidden_layers=layers,
        num_key_value_heads=kv_heads, rms_norm_eps=1e-5,
        rope_theta=10_000.0,  # what a reader assumes that knows neither of the two keys it is written under
        vocab_size=BYTE_WORDS if name == "potluck-tiny" else WORDS,
    )  # fmt: skip


def make_size(name: str, folder: Path) -> None:
    """Fill `folder` with a model of that size, from seed 0."""
    if name == "potluck-tiny":
        save_byte_tokenizer(folder)
    else:
        save_best_tokenizer(folder, WORDS)
    _fill(folder, size_config(name))


def read_config(file: Path) -> dict[str, Any]:
    """Somebody's config.json. Raises OwnerMustAct in words."""
    try:
        config = json.loads(file.read_bytes())
        known = bool(config["model_type"]) and family_of(config) is not None and "auto_map" not in config
        if known:
            layout_of(config)
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise OwnerMustAct(f"{file} is not a usable config.json ({error}).") from error
    if not known:
        raise OwnerMustAct(f"{file} describes another kind of model. Potluck trains {KINDS}.")
    assert isinstance(config, dict), config
    return config


def make_from_config(file: Path, folder: Path) -> None:
    """Fill `folder` from somebody's config.json; with the tokenizer.json beside it, if there is one."""
    config = read_config(file)
    if (file.parent / "tokenizer.json").is_file():
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            if (file.parent / name).is_file():
                shutil.copyfile(file.parent / name, folder / name)
    else:
        save_best_tokenizer(folder, layout_of(config).words)
    _fill(folder, config)


def save_best_tokenizer(folder: Path, words: int) -> None:
    """SmolLM2's tokenizer, cut to `words` words, where its package is installed; else one token a byte."""
    if smollm2.installed() is None or words < _FEW:
        save_byte_tokenizer(folder)
        return
    smollm2.make_tokenizer(folder)
    if words < _SMOLLM2:
        cut(folder / "tokenizer.json", words)


def _fill(folder: Path, config: dict[str, Any]) -> None:
    save_json(folder / "config.json", config)
    specs = trainables(config, {"kind": "full"})
    write(folder / "model.safetensors", specs, _draw(specs, float(config.get("initializer_range", 0.02))))


def _draw(specs: tuple[TensorSpec, ...], deviation: float) -> Iterator[tuple[str, Float32]]:
    for spec in specs:
        if spec.name.endswith(".bias"):
            yield spec.name, np.zeros(spec.shape, np.float32)
        elif len(spec.shape) == 1:
            yield spec.name, np.ones(spec.shape, np.float32)
        else:
            draw = generator(SEED, spec.name).standard_normal(spec.shape, np.float32)
            draw *= np.float32(deviation)
            yield spec.name, draw
