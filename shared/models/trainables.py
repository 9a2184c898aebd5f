"""What a run trains in a model: the names and shapes of its tensors, and the values they start from.

Names are those of the files a run produces: Hugging Face state-dict names for full fine-tuning (a tied head has none of
its own), peft's adapter file names for LoRA (every linear layer except the head, no bias).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np

from shared.errors import OwnerMustAct
from shared.job import TensorSpec
from shared.models.families import layout_of
from shared.models.weights import Float32, read, stored

LORA_PREFIX = "base_model.model."


class Recipe(TypedDict):
    """The run's trainable space; the same for everybody, because updates must be averageable."""

    kind: Literal["full", "lora"]
    rank: NotRequired[int | None]
    alpha: NotRequired[int | None]
    targets: NotRequired[Sequence[str]]  # last parts of layer names; none: every linear layer but the head


def trainables(config: Mapping[str, Any], recipe: Recipe) -> tuple[TensorSpec, ...]:
    """Every trainable tensor, sorted by name. `config` is a config.json of a known family; alpha plays no part here."""
    match recipe["kind"]:
        case "full":
            found = [*_linears(config), *_others(config)]
        case "lora":
            rank = _rank(recipe)
            found = []
            for name, (out, into) in ((spec.name, spec.shape) for spec in _targeted(config, recipe)):
                stem = LORA_PREFIX + name.removesuffix(".weight")
                found.append(TensorSpec(f"{stem}.lora_A.weight", (rank, into)))
                found.append(TensorSpec(f"{stem}.lora_B.weight", (out, rank)))
    return tuple(sorted(found, key=lambda spec: spec.name))


def initial(folder: Path, recipe: Recipe, tensors: Sequence[TensorSpec], seed: int) -> Iterator[tuple[str, Float32]]:
    """The first values in name order. Full: the base model's own. LoRA: as peft starts them, A uniform and B zero,
    so that the first model is exactly the base. Each tensor's draw depends on its name and `seed` alone."""
    ordered = sorted(tensors, key=lambda spec: spec.name)
    if recipe["kind"] == "full":
        there = stored(folder)
        for spec in ordered:
            yield spec.name, read(there[spec.name])
        return
    for spec in ordered:
        if spec.name.endswith(".lora_B.weight"):
            yield spec.name, np.zeros(spec.shape, np.float32)
        else:  # kaiming_uniform_(a=sqrt(5)): a bound of 1/sqrt(fan in)
            bound = np.float32(1 / math.sqrt(spec.shape[1]))
            draw = generator(seed, spec.name).random(spec.shape, np.float32)
            yield spec.name, (draw * 2 - 1) * bound


def generator(seed: int, name: str) -> np.random.Generator:
    """A stream of chance of its own for each tensor."""
    words = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(words[:16], "little")))


def _targeted(config: Mapping[str, Any], recipe: Recipe) -> Iterator[TensorSpec]:
    """The linear layers that get an adapter. Raises OwnerMustAct naming a target that is none."""
    wanted = set(recipe.get("targets") or ())
    there = {spec.name.split(".")[-2] for spec in _linears(config)}
    if unknown := sorted(wanted - there):
        raise OwnerMustAct(f"The model has no linear layer {unknown[0]}; it has {', '.join(sorted(there))}.")
    return (spec for spec in _linears(config) if not wanted or spec.name.split(".")[-2] in wanted)


def _rank(recipe: Recipe) -> int:
    rank = recipe.get("rank")
    assert rank, recipe
    return rank


def _linears(config: Mapping[str, Any]) -> Iterator[TensorSpec]:
    """The weight matrices of all blocks, [out, in]."""
    layout = layout_of(config)
    for layer in range(layout.depth):
        for linear in layout.linears:
            yield TensorSpec(f"{layout.blocks}.{layer}.{linear.name}.weight", linear.shape)


def _others(config: Mapping[str, Any]) -> Iterator[TensorSpec]:
    """Embeddings, norms, an untied head, and the biases that some kinds have."""
    layout = layout_of(config)
    for name, shape in layout.outside.items():
        yield TensorSpec(name, shape)
    for layer in range(layout.depth):
        for name, shape in layout.others.items():
            yield TensorSpec(f"{layout.blocks}.{layer}.{name}", shape)
        for linear in layout.linears:
            if linear.bias:
                yield TensorSpec(f"{layout.blocks}.{layer}.{linear.name}.bias", linear.shape[:1])
