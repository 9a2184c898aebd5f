"""How well a model predicts the owner's held-out text: loss, perplexity and, fair to every tokenizer, bits per byte."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from node.data.tokenizers.tokenizer import load
from node.data.tokens import Tokens
from node.train.engine import Engine, MicroBatch
from node.train.ranks import Ranks
from shared.errors import OwnerMustAct
from shared.job import Job
from shared.models.families import layout_of

WINDOW = 512  # tokens of context, or the run's sequence where that is longer; no more than the model reads
Metrics = dict[str, float]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The measured stretch of held-out text."""

    windows: list[torch.Tensor]  # int64 ids; neighbours share one token, so each but the first is predicted once
    scored: list[torch.Tensor]  # bool, for ids[1:] of each window: not the end-of-text tokens between documents
    places: list[torch.Tensor] | None  # int64, of ids[:-1] of each window in their pieces, where those are kept apart
    tokens: int  # scored
    bytes: int  # of the scored tokens' text


class Measured(Protocol):
    """The parts of a bench that measuring needs."""

    @property
    def engine(self) -> Engine: ...
    @property
    def ranks(self) -> Ranks: ...
    @property
    def held(self) -> HeldOut | None: ...


def held_out(tokens: Tokens, job: Job, tokenizer_json: Path) -> HeldOut | None:
    """The first `evaluate_tokens` tokens of the held-out documents, cut into windows. None when there are none."""
    pieces, marks, counted = [np.empty(0, np.int64)], [np.empty(0, np.bool_)], [np.empty(0, np.int64)]
    length = 0
    for held in tokens.held:
        if length > job.evaluate_tokens:
            break
        pieces.append(np.append(held.ids.astype(np.int64), tokens.end))
        marks.append(np.append(np.ones(len(held.ids), np.bool_) if held.scored is None else held.scored != 0, False))
        counted.append(np.arange(len(pieces[-1])))
        length += len(pieces[-1])
    stretch = np.concatenate(pieces)[: job.evaluate_tokens + 1]
    scored = np.concatenate(marks)[: job.evaluate_tokens + 1]
    scored[:1] = False  # nothing comes before the first
    if not scored.any():
        return None
    size = min(max(WINDOW, job.sequence), _context(tokenizer_json.with_name("config.json")))
    starts = range(0, len(stretch) - 1, size)
    text = load(tokenizer_json).decode(stretch[scored].tolist(), skip_special_tokens=False)
    return HeldOut(
        [torch.from_numpy(stretch[at : at + size + 1].copy()) for at in starts],
        [torch.from_numpy(scored[at + 1 : at + size + 1].copy()) for at in starts],
        _places(np.concatenate(counted)[: len(stretch) - 1], size) if job.attention == "documents" else None,
        int(scored.sum()), len(text.encode()),
    )  # fmt: skip


def _places(counted: NDArray[np.int64], size: int) -> list[torch.Tensor]:
    """Window by window; a piece that began before its window counts from there."""
    found = []
    for at in range(0, len(counted), size):
        window = counted[at : at + size].copy()
        begun = int(np.argmax(window == 0)) if (window == 0).any() else len(window)
        window[:begun] = np.arange(begun)
        found.append(torch.from_numpy(window))
    return found


def _context(config: Path) -> int:
    """Tokens the model reads at most: some kinds fail beyond it, the others guess."""
    return layout_of(json.loads(config.read_bytes())).context


def measure(bench: Measured) -> Metrics:
    """Collective. The weights that are in the engine now, on this PC's held-out text."""
    held, ranks = bench.held, bench.ranks
    if held is None:
        raise OwnerMustAct(
            "None of this PC's text is held out for testing yet, so nothing can be measured. Add more text."
        )
    nats = 0.0
    for first in range(
        0, len(held.windows), ranks.world
    ):  # every rank runs each time: in ZeRO-3 a forward is collective
        mine = first + ranks.rank
        shown = min(mine, len(held.windows) - 1)
        ids = held.windows[shown]
        places = None if held.places is None else held.places[shown][None]
        losses = bench.engine.loss_sum(MicroBatch(ids[None], int(mine < len(held.windows)), places=places))
        nats += float(losses[0][held.scored[shown]].double().sum())
    nats = ranks.total([nats])[0]
    loss = nats / held.tokens
    return {
        "loss": loss,
        "perplexity": math.exp(min(loss, 700.0)),
        "bits_per_byte": nats / math.log(2) / held.bytes,
        "tokens": held.tokens,
        "bytes": held.bytes,
    }
