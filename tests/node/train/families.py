"""One tiny model of each family, with random weights."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM, GPTJConfig, GPTNeoXConfig, LlamaConfig, Qwen2Config

WORDS = 211
_SIZES: dict[str, Any] = {"vocab_size": WORDS, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIGS: dict[str, Any] = {
    "llama": LlamaConfig(**_SIZES, intermediate_size=48, tie_word_embeddings=True),
    "qwen2": Qwen2Config(**_SIZES, num_key_value_heads=1, intermediate_size=48, tie_word_embeddings=False),
    "gpt-neox": GPTNeoXConfig(**_SIZES, intermediate_size=48),
    "gpt-j": GPTJConfig(vocab_size=WORDS, n_embd=32, n_layer=2, n_head=2, rotary_dim=8, resid_pdrop=0, embd_pdrop=0),
}


def model_of(family: str, attention: str = "sdpa") -> Any:
    """In training mode, from seed 0."""
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIGS[family], attn_implementation=attention).train()
