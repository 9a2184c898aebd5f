"""A smaller model that starts from a larger one: some of its layers, and of those some of their width.

Layers are picked evenly, the first and the last among them. Of the hidden and inner units those with the most weight
stay; heads and their dimensions are picked evenly, dimensions in pairs, so that each pair keeps the speed at which
positions turn it. Everything but the sizes (activation, norms, positions, tokenizer) is the larger model's. The result
is a start for training, not a model to use: `potluck model shrink` shows its loss.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.blobs import digest_of
from shared.errors import OwnerMustAct
from shared.job import TensorSpec
from shared.models import fresh
from shared.models.families import Config, layout_of
from shared.models.folder import SMALL_FILES, check, tokenizer, travelling
from shared.models.materialise import made, materialise
from shared.models.smollm2 import save_json
from shared.models.trainables import trainables
from shared.models.vocabulary import cut
from shared.models.weights import Float32, Stored, read, stored, write

SLICED = ("llama", "qwen2", "qwen3")  # kinds whose widths are known here
Picks = NDArray[np.intp]


def sizes_of(model: str, folder: str) -> dict[str, Any]:
    """The config.json that says how large the smaller model is: a named size or a file. Raises OwnerMustAct."""
    if model in fresh.SIZES:
        return fresh.size_config(model)
    path = Path(folder, Path(model).expanduser())
    if path.suffix != ".json" or not path.is_file():
        raise OwnerMustAct(
            f"With `warm_start`, `model` only says how large the new one is: {', '.join(sorted(fresh.SIZES))}, "
            f"or a config.json. {model} is neither."
        )
    return fresh.read_config(path)


def warm_start(model: str, source: str, folder: str, cache: Path) -> Path:
    """The folder of a model as large as `model`, started from the model `source`; made once for the same bytes."""
    sizes, larger = sizes_of(model, folder), materialise(source, folder, cache)
    wanted = json.dumps(smaller(check(larger), sizes), sort_keys=True)
    parts = [wanted, *(f"{name} {digest_of(path)}" for name, path in travelling(larger).items())]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return made(cache, f"warm-{key}", lambda target: shrink(larger, sizes, target))


def smaller(source: Config, sizes: Config) -> dict[str, Any]:
    """The larger model's configuration with the smaller sizes. Raises OwnerMustAct when one of them is not smaller."""
    if source["model_type"] not in SLICED or sizes["model_type"] not in SLICED:
        raise OwnerMustAct("Only Llama, Qwen2 and Qwen3 models are cut to smaller ones here.")
    old, new = Widths.of(source), Widths.of(sizes)
    words = {
        "layers": (old.layers, new.layers), "hidden units": (old.hidden, new.hidden),
        "inner units": (old.inner, new.inner), "heads": (old.heads, new.heads), "values a head": (old.head, new.head),
    }  # fmt: skip
    for what, (has, asked) in words.items():
        if asked > has:
            raise OwnerMustAct(f"A model of {asked} {what} cannot start from one of {has}. Choose smaller sizes.")
    if new.head % 2 or new.heads % new.keys:
        raise OwnerMustAct(f"{new.heads} heads of {new.head} values on {new.keys} do not go together.")
    changed = {
        "num_hidden_layers": new.layers, "hidden_size": new.hidden, "intermediate_size": new.inner,
        "num_attention_heads": new.heads, "num_key_value_heads": new.keys, "head_dim": new.head,
        "vocab_size": min(old.words, new.words), "dtype": "float32", "torch_dtype": "float32",
        "max_position_embeddings": min(layout_of(source).context, layout_of(sizes).context),
    }  # fmt: skip
    if "layer_types" in source:
        changed["layer_types"] = [source["layer_types"][layer] for layer in evenly(old.layers, new.layers)]
    return {**source, **changed}


def shrink(larger: Path, sizes: Config, folder: Path) -> None:
    """Fill `folder` with a model of those sizes, started from the one in `larger`. Raises OwnerMustAct."""
    source = check(larger)
    config = smaller(source, sizes)
    for name in SMALL_FILES:
        if name != "config.json" and (larger / name).is_file():
            shutil.copyfile(larger / name, folder / name)
    if 1 + max(tokenizer(folder / "tokenizer.json").get_vocab().values()) > config["vocab_size"]:
        cut(folder / "tokenizer.json", config["vocab_size"])
    save_json(folder / "config.json", config)
    specs = trainables(config, {"kind": "full"})
    write(folder / "model.safetensors", specs, _sliced(specs, stored(larger), Widths.of(source), Widths.of(config)))


def evenly(have: int, want: int) -> list[int]:
    """`want` of `have`, the first and the last among them."""
    return [0] if want == 1 else [round(i * (have - 1) / (want - 1)) for i in range(want)]


@dataclass(frozen=True, slots=True)
class Widths:
    """The sizes of a Llama or of one of its descendants."""

    layers: int
    hidden: int
    inner: int
    heads: int
    keys: int  # heads of keys and values
    head: int  # values in a head
    words: int

    @staticmethod
    def of(config: Config) -> Widths:
        """By the shapes that the configuration asks for."""
        layout = layout_of(config)
        shapes = {linear.name.split(".")[-1]: linear.shape for linear in layout.linears}
        heads, hidden = int(config["num_attention_heads"]), shapes["q_proj"][1]
        head = shapes["q_proj"][0] // heads
        return Widths(
            layout.depth, hidden, shapes["gate_proj"][0], heads, shapes["k_proj"][0] // head, head, layout.words
        )


def _sliced(
    specs: Sequence[TensorSpec], there: Mapping[str, Stored], old: Widths, new: Widths
) -> Iterator[tuple[str, Float32]]:
    layers = evenly(old.layers, new.layers)
    hidden = _most(_weight_on_hidden(there, layers), new.hidden)
    queries, keys = _heads(old, new)
    dimensions = _dimensions(old.head, new.head)
    inner: dict[int, Picks] = {}
    for spec in specs:
        parts = spec.name.split(".")
        layer = layers[int(parts[2])] if parts[1] == "layers" else -1
        name = ".".join([*parts[:2], str(layer), *parts[3:]]) if layer >= 0 else spec.name
        values = read(there[name])
        match parts[-2]:
            case "embed_tokens" | "lm_head":
                values = values[: new.words][:, hidden]
            case "q_proj":
                values = values[queries]
            case "k_proj" | "v_proj":
                values = values[keys]
            case "o_proj" if parts[-1] == "weight":
                values = values[:, queries]
            case "q_norm" | "k_norm":
                values = values[dimensions]
            case "gate_proj" | "up_proj" | "down_proj" if (parts[-2], parts[-1]) != ("down_proj", "bias"):
                if layer not in inner:
                    inner[layer] = _most(_weight_on_inner(there, layer), new.inner)
                values = values[:, inner[layer]] if parts[-2] == "down_proj" else values[inner[layer]]
        if values.shape != spec.shape:  # the hidden units it reads, or writes to
            values = values[:, hidden] if values.shape[0] == spec.shape[0] else values[hidden]
        yield spec.name, np.ascontiguousarray(values)


def _most(weight: NDArray[np.float64], want: int) -> Picks:
    """The indices of the largest, in their old order."""
    return np.sort(np.argsort(-weight, kind="stable")[:want])


def _weight_on_hidden(there: Mapping[str, Stored], layers: Sequence[int]) -> NDArray[np.float64]:
    """How much is written to each hidden unit, by the embeddings and by every layer that stays."""
    total: NDArray[np.float64] = np.square(read(there["model.embed_tokens.weight"]), dtype=np.float64).mean(axis=0)
    for layer in layers:
        for part in ("self_attn.o_proj", "mlp.down_proj"):
            total += np.square(read(there[f"model.layers.{layer}.{part}.weight"]), dtype=np.float64).mean(axis=1)
    return total


def _weight_on_inner(there: Mapping[str, Stored], layer: int) -> NDArray[np.float64]:
    total = np.float64(1)
    for part, axis in (("gate_proj", 1), ("up_proj", 1), ("down_proj", 0)):
        values = read(there[f"model.layers.{layer}.mlp.{part}.weight"])
        total = total * np.square(values, dtype=np.float64).mean(axis=axis)
    return np.asarray(total)


def _heads(old: Widths, new: Widths) -> tuple[Picks, Picks]:
    """The rows of queries and of keys that stay. Each head of keys is the one that its first head of queries had."""
    dimensions = _dimensions(old.head, new.head)
    heads = evenly(old.heads, new.heads)
    groups = [heads[i] // (old.heads // old.keys) for i in range(0, new.heads, new.heads // new.keys)]
    rows = [np.concatenate([i * old.head + dimensions for i in which]) for which in (heads, groups)]
    return rows[0], rows[1]


def _dimensions(have: int, want: int) -> Picks:
    """Position pairs (i, i + half), evenly: where `want` divides `have`, they turn as fast as the new should."""
    pairs = np.arange(want // 2) * (have // 2) // (want // 2)
    return np.concatenate([pairs, pairs + have // 2])
