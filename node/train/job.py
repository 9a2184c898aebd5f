"""What one PC makes of a job: the fit its agent chose for it, and how a step's tokens are dealt out to ranks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, get_args

from node.logic.fit import EngineName, Fit, Offload, OptimizerName, Precision
from node.logic.fitting import USEFUL_TOKENS
from shared.errors import OwnerMustAct
from shared.job import Job


def parse_fit(words: dict[str, Any], lora: bool = True) -> Fit:
    """The fit in an `open` order. Raises OwnerMustAct naming everything that is wrong with it.

    `lora`: whether the run trains adapters only.
    """
    rules = {
        "engine": lambda value: value in get_args(EngineName),
        "zero": lambda value: value is None or (type(value) is int and 0 <= value <= 3),
        "dtype": lambda value: value in get_args(Precision),
        "micro_batch": lambda value: value is None or (type(value) is int and 1 <= value <= 4096),
        "optimizer": lambda value: value in get_args(OptimizerName),
        "base": lambda value: value in (None, "nf4"),
        "recompute": lambda value: isinstance(value, bool),
        "offload": lambda value: value is None or value in get_args(Offload),
        "folder": lambda value: value is None or isinstance(value, str),
    }
    wrong = [f"{name} {value!r}" for name, value in words.items() if name not in rules or not rules[name](value)]
    fit = Fit(**words) if not wrong else Fit()
    if fit.offload and fit.zero is None and fit.engine != "torch":
        fit = replace(fit, zero=3)
    wrong += [sentence for holds, sentence in _clashes(fit, lora) if holds]
    if wrong:
        raise OwnerMustAct(f"The trainer cannot use these settings: {'; '.join(wrong)}.")
    return fit


def _clashes(fit: Fit, lora: bool) -> list[tuple[bool, str]]:
    """What does not go together."""
    return [
        (fit.engine == "torch" and fit.sharded, "the torch engine has no ZeRO stages"),
        (fit.offload is not None and not fit.sharded, "offload needs the deepspeed engine and a ZeRO stage"),
        (
            fit.offload in ("parameters", "disk") and fit.zero in (1, 2),
            f"offload of {fit.offload} needs ZeRO-3; lower stages keep the weights on the card",
        ),
        (fit.offload == "disk" and not fit.folder, "offload to disk needs a folder of yours on a fast local disk"),
        (
            fit.offload is not None and fit.optimizer == "adamw8bit",
            "there is no 8-bit AdamW in main memory: use offload, or adamw8bit on the card",
        ),
        (fit.base == "nf4" and fit.zero == 3, "an NF4 base cannot be split by ZeRO-3: use stage 2 or the torch engine"),
        (fit.base == "nf4" and not lora, "an NF4 base is frozen, and this run trains all weights"),
    ]


@dataclass(frozen=True, slots=True)
class Deal:
    """How the sequences of one optimizer step are dealt out: every rank runs the same number of micro-batches."""

    sequences: int  # real ones in a step, over all ranks
    length: int  # tokens predicted in each
    micro: int  # sequences in a micro-batch
    micro_batches: int  # on each rank

    @property
    def tokens(self) -> int:
        """Tokens predicted in one step."""
        return self.sequences * self.length

    def places(self, rank: int, world: int) -> list[list[int]]:
        """For each micro-batch of `rank`, the places (0..sequences-1, or beyond: padding) of its sequences."""
        return [
            [(step * world + rank) * self.micro + row for row in range(self.micro)]
            for step in range(self.micro_batches)
        ]


def deal(job: Job, fit: Fit, world: int, on_card: bool) -> Deal:
    """The job's batch, to the nearest whole number of sequences from below."""
    sequences = max(1, job.batch // job.sequence)
    each = -(-sequences // world)
    wanted = fit.micro_batch or max(1, USEFUL_TOKENS[on_card] // job.sequence)
    rounds = -(-each // min(each, wanted))
    return Deal(sequences, job.sequence, micro=-(-each // rounds), micro_batches=rounds)
