"""A fit: the memory technique one PC uses for a run. The recipe is the run's, the fit is the PC's. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

EngineName = Literal["auto", "deepspeed", "torch"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
OptimizerName = Literal["adamw", "adamw8bit"]
Offload = Literal["optimizer", "parameters", "disk"]


@dataclass(frozen=True, slots=True)
class Fit:
    """What the trainer is told in `open`. None: its usual.

    `offload`: "optimizer" keeps fp32 masters and Adam's state in main memory, where Adam runs (ZeRO-1 to -3; without a
    stage: ZeRO-3). "parameters" keeps the weights there, too, and brings them layer by layer (ZeRO-3). "disk" keeps
    weights in main memory, masters and Adam's state in `folder` (ZeRO-3; needs libaio and a compiler once).
    """

    engine: EngineName = "auto"
    zero: int | None = None
    dtype: Precision = "auto"
    micro_batch: int | None = None  # sequences
    optimizer: OptimizerName = "adamw"
    base: Literal["nf4"] | None = None
    recompute: bool = False  # activations are computed twice instead of kept
    offload: Offload | None = None  # what is kept off the card
    folder: str | None = None  # of the owner's, on a fast local disk: for `disk`

    @property
    def sharded(self) -> bool:
        """By a ZeRO stage."""
        return self.zero is not None and self.zero > 0

    @property
    def words(self) -> dict[str, Any]:
        """For the trainer: only what differs from its own usual."""
        usual = {field.name: field.default for field in fields(Fit)}
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


def in_words(fit: Fit, lora: bool) -> str:
    """ "all weights, 8-bit AdamW, activations computed twice, micro-batch 4": for people."""
    parts = ["LoRA on an NF4 base" if fit.base else "LoRA" if lora else "all weights"]
    if fit.optimizer == "adamw8bit":
        parts.append("8-bit AdamW")
    if fit.zero:
        parts.append(f"ZeRO-{fit.zero}")
    if fit.offload:
        where = {
            "optimizer": "optimizer in main memory",
            "parameters": "optimizer and weights in main memory",
            "disk": "optimizer on disk",
        }
        parts.append(where[fit.offload])
    if fit.recompute:
        parts.append("activations computed twice")
    if fit.micro_batch:
        parts.append(f"micro-batch {fit.micro_batch}")
    return ", ".join(parts)


def relieved(fit: Fit, lora: bool, deepspeed: bool) -> Fit | None:
    """The same fit with less memory, after it ran out: half the micro-batch (so twice the accumulation), then
    activations computed twice, then offload (NF4 for LoRA). None: nothing is left to give up."""
    if fit.micro_batch is not None and fit.micro_batch > 1:
        return replace(fit, micro_batch=fit.micro_batch // 2)
    if not fit.recompute:
        return replace(fit, recompute=True)
    if lora:
        return None if fit.base or fit.zero == 3 else replace(fit, base="nf4")
    if not deepspeed or fit.offload in ("parameters", "disk"):
        return None
    # There is no 8-bit AdamW in main memory, and none is needed: there is more room.
    kept = replace(fit, engine="deepspeed", optimizer="adamw")
    if fit.offload is None:
        return replace(kept, offload="optimizer", zero=fit.zero or 3)
    return replace(kept, offload="parameters", zero=3)


def cut(fit: Fit, times: int, lora: bool, deepspeed: bool) -> Fit:
    """`relieved` so many times, or as often as it goes."""
    for _ in range(times):
        fit = relieved(fit, lora, deepspeed) or fit
    return fit
