"""A tiny random folder of each kind of model, made by transformers itself, with a tokenizer of bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared.models.vocabulary import BYTE_WORDS, save_byte_tokenizer

_LLAMA = {
    "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128,
}  # fmt: skip
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", _LLAMA),
    "llama with biases": ("llama", {**_LLAMA, "attention_bias": True, "mlp_bias": True}),
    "qwen2": ("qwen2", _LLAMA),
    "qwen3": ("qwen3", {**_LLAMA, "head_dim": 8}),
    "qwen3 with biases": ("qwen3", {**_LLAMA, "head_dim": 8, "attention_bias": True}),
    "gpt-neox": (
        "gpt_neox",
        {
            "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
            "max_position_embeddings": 128, "rotary_pct": 0.5,
        },
    ),
    "gpt-j": ("gptj", {"n_embd": 24, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "n_positions": 128}),
}  # fmt: skip


def make_folder(folder: Path, kind: str, *, tied: bool = False, **changes: Any) -> Path:
    """Random weights, float32, as `save_pretrained` writes them. Biases and norms are random too, so none can hide."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    model_type, sizes = KINDS[kind]
    words = {**sizes, "vocab_size": BYTE_WORDS, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, **changes}
    torch.manual_seed(5)
    config = CONFIG_MAPPING[model_type](**words, tie_word_embeddings=tied)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    save_byte_tokenizer(folder)
    return folder
