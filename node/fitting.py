"""Finding out which fit this PC gets for a run: look, estimate, try where an estimate is not enough, remember."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from node import probe
from node.home import Settings
from node.logic import fitting
from node.logic.fit import Fit, cut, in_words
from node.logic.fitting import Wanted, gigabytes
from node.logic.memory import Place, Step
from node.logic.model import model_of
from node.ranks import Bench
from node.trying import Kept, Question, tried
from shared.errors import OwnerMustAct
from shared.job import Job
from shared.rpc.protocol import VERSION

TRAINER = "node.train"
SHARE_OF_MAIN = 0.75  # of the main memory that is free, where there is no card: the PC is its owner's
RECIPE = (
    "files", "tensors", "lora", "lora_targets", "sequence", "label_smoothing", "dropout", "attention", "update", "clip",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    fit: Fit
    sentence: str  # "LoRA, micro-batch 4: about 5.0 of 10.8 GB"


class TooLarge(OwnerMustAct):
    """Nothing fits here."""


async def find(
    home: Path, bench: Bench, settings: Settings, job: Job, cuts: int, tell: Callable[[], None] = lambda: None
) -> Found:
    """The fit for this run on this PC. `tell` is called before anything slow. Raises TooLarge, in words.

    `cuts`: how often it ran out of memory since.
    """
    lora = job.lora is not None
    if settings.trainer != TRAINER:  # one of the owner's own: it gets what the settings say
        fit = Fit(settings.engine, settings.zero, settings.dtype, settings.micro_batch)
        if cuts and fit.micro_batch is None:
            fit = replace(fit, micro_batch=fitting.sizes(step_of(job, 1), _bare(), Wanted())[0])
        return Found(cut(fit, cuts, lora, deepspeed=True), "")
    question = question_of(job, bench.base / "config.json", settings)
    chosen = await _first_that_fits(home, bench, settings, job, question, tell)
    smaller = cut(chosen.fit, cuts, lora, question.place.deepspeed)
    words = f"{in_words(smaller, lora)}: {chosen.sentence}"
    return Found(smaller, words if smaller == chosen.fit else f"{in_words(smaller, lora)}, after too little memory")


def question_of(job: Job, config: Path, settings: Settings) -> Question:
    """Raises OwnerMustAct when the model's sizes cannot be read."""
    try:
        model = model_of(json.loads(config.read_bytes()), job)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OwnerMustAct(f"The sizes of this run's model cannot be read ({error}).") from error
    place = here(settings)
    return Question(model, step_of(job, place.world), place, wishes(settings))


def here(settings: Settings) -> Place:
    """This PC as it is now."""
    import psutil

    free = psutil.virtual_memory().available
    world = settings.ranks or max(1, probe.card_count())
    if cards := probe.look() if probe.card_count() else ():
        card = min(card.free for card in cards)
    else:
        card = (settings.budget or int(SHARE_OF_MAIN * free)) // world
    there = {name: importlib.util.find_spec(name) is not None for name in ("deepspeed", "bitsandbytes")}
    return Place(bool(cards), card, free, world, probe.half(), **there)


def wishes(settings: Settings) -> Wanted:
    folder = str(Path(settings.offload_folder).expanduser()) if settings.offload_folder else None
    return Wanted(settings.engine, settings.zero, settings.dtype, settings.micro_batch, folder)


def step_of(job: Job, world: int) -> Step:
    sequences = -(-max(1, job.batch // job.sequence) // world)
    return Step(job.sequence, sequences, smoothing=job.label_smoothing > 0, dropout=job.dropout > 0)


def _bare() -> Place:
    return Place(False, 0, 0, 1, "fp32")


async def _first_that_fits(
    home: Path, bench: Bench, settings: Settings, job: Job, question: Question, tell: Callable[[], None]
) -> Found:
    """Down the ladder; what was measured once is not measured again."""
    place = question.place
    kept = Kept(home / "fits.json", _key(settings, job, place))
    for rung in fitting.rungs(question.model, question.step, place, question.wanted):
        if fitting.sure(rung, place):
            return Found(rung.fit, f"about {gigabytes(rung.needs.card_bytes)} of {gigabytes(place.card)} free")
        if not fitting.worth_trying(rung, place):
            continue
        if not kept.peaks(rung.fit):
            tell()
            async for size, peak in tried(bench, settings, job, rung.fit, question, home):
                kept.keep(rung.fit, size, peak)
        peaks = kept.peaks(rung.fit)
        largest = fitting.largest_that_fits(peaks, place)
        if largest is not None:
            held = f"{gigabytes(peaks[largest])} of {gigabytes(place.card)} free, measured"
            return Found(replace(rung.fit, micro_batch=largest), held)
    raise TooLarge(fitting.refusal(question.model, question.step, place, question.wanted))


def _key(settings: Settings, job: Job, place: Place) -> str:
    """Device, driver, torch, model and recipe: another of these, and it is measured anew."""
    cards = [(card.name, card.memory, card.driver) for card in probe.cards()] if place.on_card else [platform.machine()]
    recipe = {name: value for name, value in asdict(job).items() if name in RECIPE}
    words = [VERSION, cards, str(probe.torch_build()), place.world, place.dtype, settings.threads, recipe]
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:16]
