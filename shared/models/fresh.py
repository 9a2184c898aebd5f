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
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from shared.errors import OwnerMustAct
from shared.job import TensorSpec
from shared.models import smollm2
from shared.models.smollm2 import llama_config, save_json
from shared.models.trainables import generator, trainables
from shared.models.weights import Float32, write

SEED = 0
END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"  # SmolLM2's ids 0, 1, 2, and ours
BYTE_WORDS = 3 + 256

# name: (hidden, inner, layers, heads, key-value heads, context); parameters as counted with SmolLM2's 49,152 words
SIZES = {
    "potluck-tiny": (64, 192, 2, 4, 2, 512),  # 0.1 M with the byte tokenizer it always has: for tests
    "potluck-25m": (320, 864, 8, 5, 5, 2048),
    "potluck-135m": (576, 1536, 30, 9, 3, 8192),
    "potluck-360m": (960, 2560, 32, 15, 5, 8192),
    "potluck-1b": (2048, 5632, 22, 32, 4, 4096),
}


def make_size(name: str, folder: Path) -> None:
    """Fill `folder` with a model of that size, from seed 0."""
    hidden, inner, layers, heads, kv_heads, context = SIZES[name]
    words = BYTE_WORDS if name == "potluck-tiny" else save_best_tokenizer(folder)
    if name == "potluck-tiny":
        save_byte_tokenizer(folder)
    config = llama_config(
        bos_token_id=1, eos_token_id=2, pad_token_id=2, head_dim=hidden // heads, hidden_size=hidden,
        intermediate_size=inner, max_position_embeddings=context, num_attention_heads=heads, num_hidden_layers=layers,
        num_key_value_heads=kv_heads, rms_norm_eps=1e-5, rope_theta=100_000.0, vocab_size=words,
    )  # fmt: skip
    _fill(folder, config)


def read_config(file: Path) -> dict[str, Any]:
    """Somebody's Llama config.json. Raises OwnerMustAct in words."""
    try:
        config = json.loads(file.read_bytes())
        llama = config["model_type"] == "llama" and "auto_map" not in config
        trainables(config, {"kind": "full"})
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise OwnerMustAct(f"{file} is not a usable config.json ({error}).") from error
    if not llama:
        raise OwnerMustAct(f"{file} is not a Llama configuration, the only kind Potluck trains for now.")
    assert isinstance(config, dict), config
    return config


def make_from_config(file: Path, folder: Path) -> None:
    """Fill `folder` from somebody's Llama config.json; with the tokenizer.json beside it, if there is one."""
    config = read_config(file)
    if (file.parent / "tokenizer.json").is_file():
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            if (file.parent / name).is_file():
                shutil.copyfile(file.parent / name, folder / name)
        words = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    else:
        words = save_best_tokenizer(folder)
    if words > config["vocab_size"]:
        raise OwnerMustAct(f"The tokenizer of {file} knows {words} words. Set vocab_size to {words} at least.")
    _fill(folder, config)


def save_best_tokenizer(folder: Path) -> int:
    """SmolLM2's tokenizer where its package is installed, else one token a byte. Returns the number of words."""
    if smollm2.installed() is None:
        save_byte_tokenizer(folder)
        return BYTE_WORDS
    smollm2.make_tokenizer(folder)
    return 49_152


def save_byte_tokenizer(folder: Path) -> None:
    """Byte-level BPE without a single merge: 256 bytes after three special tokens."""
    words = [END, START, STOP, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(word, special=True, normalized=False) for word in (END, START, STOP)])
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False), "utf-8")
    save_json(folder / "tokenizer_config.json", {
        "add_bos_token": False, "bos_token": START, "clean_up_tokenization_spaces": False, "eos_token": STOP,
        "pad_token": STOP, "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": END,
    })  # fmt: skip


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
