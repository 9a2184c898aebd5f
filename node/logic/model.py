"""The sizes of a model that decide about memory, from its config.json and the run's job. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from shared.job import Job


@dataclass(frozen=True, slots=True)
class Model:
    """A decoder. Counts are of values, not bytes."""

    layers: int
    width: int  # of the hidden state
    inner: int  # of the feed-forward part
    keys: int  # width of all keys of a token
    words: int  # vocabulary
    gated: bool  # SwiGLU and the like: two matrices in, one out
    tied: bool  # the head is the embedding
    trainable: int
    adapters: int  # LoRA values; 0 where every weight is trained

    @property
    def block(self) -> int:
        """Weights of one layer's matrices."""
        return (2 * self.width + 2 * self.keys) * self.width + (3 if self.gated else 2) * self.width * self.inner

    @property
    def linear(self) -> int:
        return self.layers * self.block

    @property
    def embedding(self) -> int:
        return self.words * self.width

    @property
    def parameters(self) -> int:
        """All of the base: an estimate to a thousandth (norms are in it, biases are not)."""
        return self.linear + self.embedding * (1 if self.tied else 2) + self.width * (2 * self.layers + 1)

    @property
    def lora(self) -> bool:
        return self.adapters > 0

    @property
    def rank(self) -> int:
        """Of adapters on every linear layer with so many values: near enough."""
        return round(self.adapters / self._adapted)

    def with_rank(self, rank: int) -> Model:
        """The same model, trained by adapters on every linear layer."""
        values = rank * self._adapted
        return replace(self, trainable=values, adapters=values)

    @property
    def _adapted(self) -> int:
        """Inputs and outputs of all linear layers: what one rank costs."""
        inner = (3 if self.gated else 2) * (self.width + self.inner)
        return self.layers * (4 * self.width + 2 * (self.width + self.keys) + inner)


def model_of(config: Mapping[str, Any], job: Job) -> Model:
    """From a Hugging Face config.json of any family. Raises KeyError, TypeError or ValueError where it lacks a size."""
    width = _first(config, "hidden_size", "n_embd")
    heads = _first(config, "num_attention_heads", "n_head")
    head = config.get("head_dim") or width // heads
    trainable = sum(prod(tensor.shape) for tensor in job.tensors)
    gated = str(config.get("model_type")) not in ("gpt_neox", "gptj", "gpt2", "phi", "opt")
    return Model(
        layers=_first(config, "num_hidden_layers", "n_layer"),
        width=width,
        inner=int(config.get("intermediate_size") or config.get("n_inner") or 4 * width),
        keys=int(config.get("num_key_value_heads") or heads) * int(head),
        words=int(config["vocab_size"]),
        gated=gated,
        tied=bool(config.get("tie_word_embeddings", False)),
        trainable=trainable,
        adapters=trainable if job.lora is not None else 0,
    )


def _first(config: Mapping[str, Any], *names: str) -> int:
    """The first of these entries that is there."""
    for name in names:
        if config.get(name):
            return int(config[name])
    raise KeyError(f"{names[0]} is not in the model's config.json")
