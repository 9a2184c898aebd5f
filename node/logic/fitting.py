"""Which fit a PC gets for a run: the first on a ladder, from fastest to most frugal, that its memory holds. Pure.

all weights   AdamW -> activations computed twice -> 8-bit AdamW -> ZeRO-1, -2, -3 over the cards
              -> optimizer in main memory -> weights, too -> optimizer on disk (where the owner named a folder)
LoRA          16-bit base -> activations computed twice -> NF4 base
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from node.logic.fit import EngineName, Fit, Precision, in_words
from node.logic.memory import Estimate, Place, Step, estimate
from node.logic.model import Model

SHARE = 0.9  # of what is free: the rest is for fragmentation, and for what the owner starts next
SURE = 0.5  # of what is free: an estimate below this is not worth a probe, it is right to a few tenths
DOUBTED = 1.15  # a probe is worth its time where the estimate is at most so much too large
USEFUL_TOKENS = {True: 4096, False: 1024}  # in a micro-batch, on a card or without: more makes no step faster
RANKS_OFFERED = (64, 16, 8)  # of LoRA, when a run asks for too much


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the owner fixed in settings.json."""

    engine: EngineName = "auto"
    zero: int | None = None
    dtype: Precision = "auto"
    micro_batch: int | None = None
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Rung:
    """A fit with its largest useful micro-batch that seems to go in, or with the smallest when none does."""

    fit: Fit
    needs: Estimate
    fits: bool


def ladder(model: Model, place: Place, wanted: Wanted) -> Iterator[Fit]:
    """Every fit that this PC could use, fastest first; without a micro-batch."""
    base = Fit(engine="torch", dtype=wanted.dtype)
    if wanted.engine == "deepspeed" or wanted.zero:
        base = replace(base, engine="deepspeed", zero=wanted.zero or 1)
    yield base
    base = replace(base, recompute=True)
    yield base
    if model.lora:
        if place.bitsandbytes and base.zero != 3:
            yield replace(base, base="nf4")
        return
    small = replace(base, optimizer="adamw8bit")
    if place.bitsandbytes:
        yield small
    if not place.deepspeed or wanted.engine == "torch" or wanted.zero == 0:
        return
    stages = (wanted.zero,) if wanted.zero else (1, 2, 3)
    if place.on_card and place.world == 1 and place.bitsandbytes:
        yield replace(
            small, engine="deepspeed", zero=wanted.zero or 3
        )  # 16-bit weights and gradients beside the masters
    if place.world > 1:
        for stage in stages:
            if stage != base.zero:
                yield replace(base, engine="deepspeed", zero=stage)
        if place.bitsandbytes:
            yield replace(small, engine="deepspeed", zero=stages[-1])
    if place.on_card:  # without one, it is all the same memory
        stage = wanted.zero or (3 if place.world > 1 else 2)
        yield replace(base, engine="deepspeed", zero=stage, offload="optimizer")
        if wanted.zero in (None, 3):
            yield replace(base, engine="deepspeed", zero=3, offload="parameters")
            if wanted.folder:
                yield replace(base, engine="deepspeed", zero=3, offload="disk", folder=wanted.folder)


def rungs(model: Model, step: Step, place: Place, wanted: Wanted) -> list[Rung]:
    """The whole ladder with what each fit needs here: the table that an owner is shown."""
    return [_rung(model, step, place, fit, sizes(step, place, wanted)) for fit in ladder(model, place, wanted)]


def choose(found: list[Rung]) -> Rung | None:
    """The fastest that fits."""
    return next((rung for rung in found if rung.fits), None)


def sizes(step: Step, place: Place, wanted: Wanted) -> list[int]:
    """Micro-batches worth trying, largest first: powers of two up to what makes a step faster, or the owner's."""
    most = min(step.sequences, max(1, USEFUL_TOKENS[place.on_card] // step.sequence))
    if wanted.micro_batch:
        return [min(wanted.micro_batch, step.sequences)]
    return [1 << power for power in reversed(range(most.bit_length()))]


def fits(needs: Estimate, place: Place, share: float = SHARE) -> bool:
    return needs.card_bytes <= share * place.card and needs.main_bytes <= share * place.main


def sure(rung: Rung, place: Place) -> bool:
    """Far enough from the limit to be believed without trying."""
    return rung.fits and fits(rung.needs, place, SURE)


def worth_trying(rung: Rung, place: Place) -> bool:
    return fits(rung.needs, place, SHARE * DOUBTED)


def goes_on(peaks: Mapping[int, int], size: int, needs: Mapping[int, int], place: Place) -> bool:
    """Whether that micro-batch is worth a try after what smaller ones took; the PC is not to be driven to its limit."""
    tried = [micro for micro in peaks if micro < size]
    if not tried:
        return True
    return peaks[max(tried)] + (needs[size] - needs[max(tried)]) <= SHARE * place.card


def largest_that_fits(peaks: Mapping[int, int], place: Place) -> int | None:
    """Of the micro-batches that were tried, by the memory each took."""
    return max((micro for micro, peak in peaks.items() if peak <= SHARE * place.card), default=None)


def refusal(model: Model, step: Step, place: Place, wanted: Wanted) -> str:
    """Why nothing fits, and what would: for the owner, who may tell the host."""
    least = min(
        (_rung(model, step, place, fit, [1]) for fit in ladder(model, place, wanted)),
        key=lambda rung: max(rung.needs.card_bytes / max(1, place.card), rung.needs.main_bytes / max(1, place.main)),
    )
    needs, where = least.needs, " on its card" if place.on_card else ""
    free, asked = place.card, needs.card_bytes
    if needs.main_bytes > SHARE * place.main:
        free, asked, where = place.main, needs.main_bytes, " of main memory"
    technique = in_words(least.fit, model.lora)
    return (
        f"This PC has {gigabytes(free)}{where} free; the run needs at least {gigabytes(asked / SHARE)} there "
        f"({technique}). {_nearest(model, step, place, wanted)}"
    )


def gigabytes(count: float) -> str:
    """ "6.0 GB", as cards are sold."""
    return f"{count / 2**30:.1f} GB"


def _rung(model: Model, step: Step, place: Place, fit: Fit, micros: list[int]) -> Rung:
    rung = None
    for micro in micros:
        sized = replace(fit, micro_batch=micro)
        needs = estimate(model, step, sized, place)
        rung = Rung(sized, needs, fits(needs, place))
        if rung.fits:
            break
    assert rung is not None
    return rung


def _nearest(model: Model, step: Step, place: Place, wanted: Wanted) -> str:
    """The change to the run that is smallest and fits here."""
    ranks = [rank for rank in RANKS_OFFERED if not model.lora or rank < model.rank]
    for rank in ranks:
        if choose(rungs(model.with_rank(rank), step, place, wanted)):
            return f"The nearest that fits here is LoRA of rank {rank}: ask your host for such a run."
    adapted = model if model.lora else model.with_rank(RANKS_OFFERED[-1])
    length = step.sequence // 2
    while length >= 64:
        if choose(rungs(adapted, replace(step, sequence=length), place, wanted)):
            kind = "" if model.lora else f"LoRA of rank {adapted.rank} with "
            return f"The nearest that fits here is {kind}a sequence of {length} tokens: ask your host for such a run."
        length //= 2
    return "Nothing of this model fits here: ask your host for a run of a smaller one."
