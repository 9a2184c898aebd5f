"""Models for benchmarks: of a chosen size, to be moved or merged, or of a named one, ready to be trained."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.codec import safe
from shared.ids import Digest
from shared.job import Job
from shared.models import fresh, initial, materialise, trainables
from shared.models.trainables import Recipe
from shared.models.vocabulary import save_byte_tokenizer
from tests.node.train.room import Room, make_job, make_text

LAYERS = 3


def config(folder: Path, megabytes: float) -> Path:
    """A byte Llama of about that many MB in float32. At every size a tensor has the same share of the whole."""
    hidden = 64 * max(1, round((megabytes * 1e6 / 4 / LAYERS / 16) ** 0.5 / 64))  # 16 hidden^2 values in a layer
    words = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": hidden,
        "intermediate_size": 4 * hidden, "num_hidden_layers": LAYERS, "num_attention_heads": hidden // 64,
        "num_key_value_heads": hidden // 64, "head_dim": 64, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": True, "hidden_act": "silu", "vocab_size": fresh.BYTE_WORDS,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    save_byte_tokenizer(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(words))
    return path


def room_of(folder: Path, model: str, recipe: Recipe, **job: Any) -> Room:
    """Everything a trainer needs for a job on a model of a named size."""
    base = materialise(model, str(folder), Path(os.environ["POTLUCK_CACHE"]))
    tensors = trainables(json.loads((base / "config.json").read_text()), recipe)
    room = Room(folder, base, make_text(folder), make_job(tensors, recipe.get("rank"), **job))
    room.write(room.model, dict(initial(base, recipe, tensors, seed=1)))
    return room


def write_update(path: Path, job: Job, seed: int, made_by: safe.Origin) -> Digest:
    """An update that the coordinator accepts: small random differences."""
    return safe.write(path, _drawn(job, seed), safe.layout(job.tensors, job.codec, made_by.metadata))


def _drawn(job: Job, seed: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    chance = np.random.default_rng(seed)
    for spec in job.tensors:
        values = chance.standard_normal(spec.shape, np.float32)
        values *= np.float32(0.01)
        yield spec.name, values
