"""The kinds of model that can be trained: what tensors a config.json asks for, by the names their files have. Pure.

One entry per `model_type`, written after transformers 5.24's classes and tested against them. A tied head has no tensor
of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Config = Mapping[str, Any]  # a config.json
BUFFERS = (".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq")
# Tables that old files carry along; models make them anew. None of these names is a parameter of a kind below.


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer of every block: `self_attn.q_proj`, its weight [out, in], and whether it has a bias."""

    name: str
    shape: tuple[int, int]
    bias: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The tensors of a model. Names of `linears` and `others` are below `blocks`.N, those of `outside` are whole."""

    blocks: str
    depth: int
    linears: tuple[Linear, ...]
    others: Mapping[str, tuple[int, ...]]
    outside: Mapping[str, tuple[int, ...]]
    words: int
    context: int  # tokens


@dataclass(frozen=True, slots=True)
class Family:
    """A `model_type`, transformers' class for it, and its layout. `layout` raises KeyError, TypeError or ValueError."""

    architecture: str
    layout: Callable[[Config], Layout]


def family_of(config: Config) -> Family | None:
    """The kind of model, if it is one of ours."""
    family = FAMILIES.get(str(config.get("model_type")))
    if family is None or (config.get("architectures") or [family.architecture]) != [family.architecture]:
        return None
    return family


def layout_of(config: Config) -> Layout:
    """Raises KeyError, TypeError or ValueError when the configuration lacks or mistypes an entry."""
    return FAMILIES[str(config["model_type"])].layout(config)


def _llama(config: Config) -> Layout:
    biased = bool(config.get("attention_bias"))
    return _gated(config, queries=biased, output=biased, inner=bool(config.get("mlp_bias")))


def _qwen2(config: Config) -> Layout:
    return _gated(config, queries=True, output=False, inner=False)


def _qwen3(config: Config) -> Layout:
    biased, head = bool(config.get("attention_bias")), int(config.get("head_dim") or 128)
    norms = {"self_attn.q_norm.weight": (head,), "self_attn.k_norm.weight": (head,)}
    return _gated({**config, "head_dim": head}, queries=biased, output=biased, inner=False, norms=norms)


def _gated(
    config: Config, *, queries: bool, output: bool, inner: bool, norms: Mapping[str, tuple[int, ...]] | None = None
) -> Layout:
    """Llama and its descendants; which of their linear layers have biases."""
    hidden, wide = int(config["hidden_size"]), int(config["intermediate_size"])
    heads = int(config["num_attention_heads"])
    head = int(config.get("head_dim") or hidden // heads)
    keys = int(config.get("num_key_value_heads") or heads) * head
    words = int(config["vocab_size"])
    outside = {"model.embed_tokens.weight": (words, hidden), "model.norm.weight": (hidden,)}
    if not config.get("tie_word_embeddings", False):
        outside["lm_head.weight"] = (words, hidden)
    return Layout(
        blocks="model.layers",
        depth=int(config["num_hidden_layers"]),
        linears=(
            Linear("self_attn.q_proj", (heads * head, hidden), queries),
            Linear("self_attn.k_proj", (keys, hidden), queries),
            Linear("self_attn.v_proj", (keys, hidden), queries),
            Linear("self_attn.o_proj", (hidden, heads * head), output),
            Linear("mlp.gate_proj", (wide, hidden), inner),
            Linear("mlp.up_proj", (wide, hidden), inner),
            Linear("mlp.down_proj", (hidden, wide), inner),
        ),
        others={"input_layernorm.weight": (hidden,), "post_attention_layernorm.weight": (hidden,), **(norms or {})},
        outside=outside,
        words=words,
        context=int(config.get("max_position_embeddings") or 2048),
    )


def _gpt_neox(config: Config) -> Layout:
    hidden, wide, words = (int(config[key]) for key in ("hidden_size", "intermediate_size", "vocab_size"))
    biased = bool(config.get("attention_bias", True))
    outside = {"gpt_neox.embed_in.weight": (words, hidden), **_norm("gpt_neox.final_layer_norm", hidden)}
    if not config.get("tie_word_embeddings", False):
        outside["embed_out.weight"] = (words, hidden)
    return Layout(
        blocks="gpt_neox.layers",
        depth=int(config["num_hidden_layers"]),
        linears=(
            Linear("attention.query_key_value", (3 * hidden, hidden), biased),
            Linear("attention.dense", (hidden, hidden), biased),
            Linear("mlp.dense_h_to_4h", (wide, hidden), True),
            Linear("mlp.dense_4h_to_h", (hidden, wide), True),
        ),
        others={**_norm("input_layernorm", hidden), **_norm("post_attention_layernorm", hidden)},
        outside=outside,
        words=words,
        context=int(config.get("max_position_embeddings") or 2048),
    )


def _gptj(config: Config) -> Layout:
    hidden, words = int(config["n_embd"]), int(config["vocab_size"])
    wide = int(config.get("n_inner") or 4 * hidden)
    head = {} if config.get("tie_word_embeddings", False) else {"lm_head.weight": (words, hidden)}
    return Layout(
        blocks="transformer.h",
        depth=int(config["n_layer"]),
        linears=(
            *(Linear(f"attn.{part}_proj", (hidden, hidden)) for part in ("q", "k", "v", "out")),
            Linear("mlp.fc_in", (wide, hidden), True),
            Linear("mlp.fc_out", (hidden, wide), True),
        ),
        others=_norm("ln_1", hidden),
        outside={
            "transformer.wte.weight": (words, hidden),
            **_norm("transformer.ln_f", hidden),
            **head,
            "lm_head.bias": (words,),
        },
        words=words,
        context=int(config.get("n_positions") or 2048),
    )


def _norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


FAMILIES: Mapping[str, Family] = {
    "llama": Family("LlamaForCausalLM", _llama),
    "qwen2": Family("Qwen2ForCausalLM", _qwen2),
    "qwen3": Family("Qwen3ForCausalLM", _qwen3),
    "gpt_neox": Family("GPTNeoXForCausalLM", _gpt_neox),
    "gptj": Family("GPTJForCausalLM", _gptj),
}
KINDS = "Llama, Qwen2, Qwen3, GPT-NeoX and GPT-J"
