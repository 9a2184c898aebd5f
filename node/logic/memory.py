"""How much memory a training step takes: the sum, at its worst moment, of what each part of it holds. Pure, in bytes.

    forward's end    weights + optimizer + activations + logits     (+ gradients of earlier micro-batches)
    backward's end   weights + optimizer + gradients + the embedding's gradient once more, where it is tied
    Adam's step      weights + optimizer + gradients + what the engine copies them into

The counts follow our own engines: torch keeps fp32 weights and casts as it goes, DeepSpeed keeps 16-bit weights beside
fp32 masters. Held to measured peaks on a CPU by the benchmark `fit_error`; what is said of cards is computed only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from node.logic.fit import Fit
from node.logic.model import Model

GIB = 1 << 30
CONTEXT_CARD = int(1.2 * GIB)  # CUDA, cuBLAS and NCCL workspaces, fragmentation: not measured here
CONTEXT_CPU = 460 << 20  # the interpreter with torch, transformers, peft and flwr in it: measured
NF4 = 0.516  # bytes a value: 4 bits, and two levels of scales
ADAM, ADAM_8BIT = 8, 2.03  # bytes a value of both moments
# What our engines are set to; they take these from here.
KEPT_LOGITS = 1 << 25  # logits that may be kept for backward: 128 MiB in fp32. A chunk of them has no more, either
BUCKET = 50_000_000  # values DeepSpeed gathers or reduces at a time; its default of 5e8 is 1 GB a bucket
STEPPED = 100_000_000  # values of ZeRO-3 masters that Adam steps on at a time: their fp32 gradients are 400 MB
LIVE = 300_000_000  # values that ZeRO-3 keeps whole at most
OFFLOAD_BUFFERS = 1.0, 1.5  # GiB on the card for offload of the optimizer, of weights too: research/deepspeed.md 6.2


@dataclass(frozen=True, slots=True)
class Place:
    """What there is to train on: one rank a card, or one without."""

    on_card: bool
    card: int  # free on the smallest card; without one: main memory that each rank may take
    main: int  # free main memory, for all ranks together
    world: int
    dtype: str  # what `auto` becomes here: bf16, fp16 or fp32
    deepspeed: bool = True
    bitsandbytes: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """The shape of one rank's part of an optimizer step."""

    sequence: int  # tokens
    sequences: int  # of this rank
    smoothing: bool = False
    dropout: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes by what they are for; at the worst moment."""

    card: Mapping[str, float]  # on each card; without a card, each rank's main memory
    main: Mapping[str, float]  # main memory beside the card, all ranks together

    @property
    def card_bytes(self) -> int:
        return int(sum(self.card.values()))

    @property
    def main_bytes(self) -> int:
        return int(sum(self.main.values()))


def estimate(model: Model, step: Step, fit: Fit, place: Place) -> Estimate:
    """`fit.micro_batch` is a number here."""
    assert fit.micro_batch is not None
    precision = place.dtype if fit.dtype == "auto" else fit.dtype
    half = 4 if precision == "fp32" else 2
    micro = min(fit.micro_batch, step.sequences)
    states = _deepspeed(model, fit, place, half) if _sharded(fit) else _torch(model, fit, half, place)
    activations = _activations(model, step, fit, micro * step.sequence, half)
    logits = _logits(model, step, micro * step.sequence, half, casts=not _sharded(fit) and not place.on_card)
    fixed = {"context": CONTEXT_CARD if place.on_card else CONTEXT_CPU, **states.kept}
    forward = {"activations": activations + states.casts, "logits": logits}
    if micro < step.sequences:
        forward["gradients"] = states.gradients
    block = activations if fit.recompute else activations / model.layers
    backward = {"gradients": states.gradients, "activations": block, "buckets": fixed.get("buckets", 0) + states.last}
    worst = max((forward, backward), key=lambda moment: sum(moment.values()))
    return Estimate({**fixed, **worst}, states.main)


@dataclass(frozen=True, slots=True)
class _States:
    """What does not depend on the micro-batch."""

    kept: Mapping[str, float]  # weights, optimizer, and buffers for good
    gradients: float
    casts: float  # 16-bit copies that live through forward
    last: float  # extra at backward's end or in Adam's step, whichever is more
    main: Mapping[str, float]


def _sharded(fit: Fit) -> bool:
    return bool(fit.zero or fit.offload)


def _torch(model: Model, fit: Fit, half: int, place: Place) -> _States:
    adam = ADAM if fit.optimizer == "adamw" else ADAM_8BIT
    if model.lora:
        kept = {"weights": _frozen(model, fit, half) + 4 * model.adapters, "optimizer": adam * model.adapters}
        dequantised = half * model.width * model.inner if fit.base else 0
        return _States(kept, 4 * model.adapters, (half % 4) * model.adapters + dequantised, 0, {})
    values = model.trainable
    casts = 0 if half == 4 else 2 * (model.linear + model.embedding)
    again = 4 * model.embedding if model.tied else 0
    if fit.optimizer == "adamw8bit" and not place.on_card:
        again += 12 * model.embedding  # without a card its largest tensor is unpacked to step on it: measured
    return _States({"weights": 4 * values, "optimizer": adam * values}, 4 * values, casts, again, {})


def _deepspeed(model: Model, fit: Fit, place: Place, half: int) -> _States:
    adam = ADAM if fit.optimizer == "adamw" else ADAM_8BIT
    stage, world, trained = fit.zero or 3, place.world, model.trainable
    frozen = _frozen(model, fit, half) if model.lora else 0
    mine = trained / world
    weights = (frozen + half * trained) / (world if stage == 3 else 1)
    masters = (4 + adam) * mine
    gradients = half * (trained if stage == 1 else mine)
    largest = max(model.block, model.embedding)
    gathered = 2.0 * half * largest if stage == 3 and world > 1 else 0.0
    if not place.on_card:  # on a card these are in its context's allowance
        bucket = half * min(BUCKET, trained)
        gathered = half * min(LIVE, model.parameters) + 2 * bucket if stage == 3 else 4 * bucket + 4 * mine
    last = 4 * min(mine, STEPPED) if stage == 3 else 4 * mine
    if not fit.offload:
        return _States({"weights": weights, "optimizer": masters, "buckets": gathered}, gradients, 0, last, {})
    buffers = OFFLOAD_BUFFERS[fit.offload != "optimizer"] * GIB + 2 * half * largest
    main = {"optimizer": 16.0 * trained} if fit.offload != "disk" else {"buckets": 16.0 * largest}
    if fit.offload in ("parameters", "disk"):
        main, weights = {**main, "weights": float(frozen + half * trained)}, 0
    if not place.on_card:  # the same memory
        held = sum(main.values()) / world
        return _States({"weights": weights, "optimizer": held, "buckets": gathered}, gradients, 0, last, {})
    return _States({"weights": weights, "buckets": buffers}, 0, 0, 0, main)


def _frozen(model: Model, fit: Fit, half: int) -> float:
    """The base under adapters. Of an NF4 base the embeddings are not quantised."""
    if fit.base == "nf4":
        return NF4 * model.linear + half * (model.parameters - model.linear)
    return half * model.parameters


def _activations(model: Model, step: Step, fit: Fit, tokens: int, half: int) -> float:
    """What backward needs of each layer; computed twice, only its input and one layer at a time with its gradients."""
    width, inner = model.width, (4 if model.gated else 2) * model.inner
    residual = 4 if fit.base or not (_sharded(fit) or model.lora) else half
    narrow, half = half, 4 if fit.base else half  # layers of 4 bits answer in the type they were asked in: fp32
    norms = 2 * (4 + residual + narrow) * width
    attention = half * (5 * width if model.keys < model.width else 3 * width + 2 * model.keys)
    layer = norms + attention + half * inner
    if model.lora:  # adapters keep what they were given
        layer += narrow * (model.inner + (6 * width if fit.base else 0))
    if step.dropout:
        layer += 2 * width
    if not fit.recompute:
        return float(tokens * layer * model.layers)
    return float(tokens * (residual * width * model.layers + layer + 2 * half * model.inner))


def _logits(model: Model, step: Step, tokens: int, half: int, *, casts: bool) -> float:
    """Logits, their logarithms and the gradients of both, a chunk at a time.

    `casts`: autocast without a card, whose library makes copies for its 16-bit product (measured).
    """
    count = min(tokens * model.words, max(KEPT_LOGITS, model.words))
    return float(count * (12 + half % 4 * (4 if casts else 1) + (4 if step.smoothing else 0)))
