"""Trying a fit: a child takes real steps with the run's real model, and what it took is kept in `fits.json`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from node.home import Settings
from node.logic import fitting
from node.logic.fit import Fit
from node.logic.fitting import Wanted
from node.logic.memory import Place, Step, estimate
from node.logic.model import Model
from node.ranks import Bench, how_ended, opening, start_ranks, stop_all, was_killed
from shared.children import Child, Words
from shared.disk import private_folder, write
from shared.errors import OwnerMustAct
from shared.job import Job, dump

PROBE = "node.train.fit_probe"
PATIENCE_SECONDS = 2.0  # for a probe to end: it has nothing to save
PROBE_SECONDS = 900.0  # for any one answer: a first start on a cold disk, or steps of a large model without a card


@dataclass(frozen=True, slots=True)
class Question:
    """What must fit where."""

    model: Model
    step: Step
    place: Place
    wanted: Wanted


async def tried(
    bench: Bench, settings: Settings, job: Job, fit: Fit, question: Question, home: Path
) -> AsyncIterator[tuple[int, int]]:
    """Micro-batches in powers of two, each with the memory it took, until the next would not fit."""
    step, place, folder = question.step, question.place, Bench(private_folder(bench.folder / "fitting"))
    sizes = sorted(fitting.sizes(step, place, question.wanted))
    needs = {size: estimate(question.model, step, replace(fit, micro_batch=size), place).card_bytes for size in sizes}
    # Two micro-batches in a step, so that gradients of one are there during the other, as in the run.
    several = min(2, step.sequences)
    order = folder.folder / "job.json"
    write(order, dump(replace(job, batch=several * job.sequence * place.world)))
    log = home / "log" / "trainer.log"
    peaks: dict[int, int] = {}
    children = await start_ranks(folder, replace(settings, trainer=PROBE), log)
    try:
        lead = children[0]
        words = opening(home, folder, settings, order, replace(fit, micro_batch=1))
        await lead.tell({**words, "base": str(bench.base), "tensorboard": ""})
        answer = await _answer(lead)
        for size in sizes:
            if answer.get("fact") == "failed" or not fitting.goes_on(peaks, size, needs, place):
                break
            await lead.tell({"op": "probe", "micro": size})
            answer = await _answer(lead)
            if answer.get("fact") == "probed":
                # A card's libraries take their part before the first tensor: what is missing of what was free.
                context = max(0, place.card - int(answer["room"])) if answer["room"] else 0
                peaks[size] = int(answer["peak"]) + context
                yield size, peaks[size]
        if answer.get("fact") == "failed":
            if answer.get("kind") != "memory":
                raise OwnerMustAct(str(answer["sentence"]))
            yield sizes[len(peaks)], place.card
    finally:
        await stop_all(children, PATIENCE_SECONDS)


async def _answer(lead: Child) -> Words:
    """The child's next word. One that was killed had no memory left; so it seems when it cannot say why it ended."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            async for words in lead.facts():
                if words.get("fact") in ("opened", "probed", "failed"):
                    return words
    except TimeoutError:
        return {"fact": "failed", "sentence": f"Trying what fits took more than {PROBE_SECONDS / 60:.0f} minutes."}
    if was_killed(lead.returncode):
        return {"fact": "failed", "kind": "memory"}
    why = "What fits could not be tried: the process for it ended"
    return {"fact": "failed", "sentence": f"{why}{how_ended(lead.returncode)}; log/trainer.log says more."}


class Kept:
    """Peaks that were measured, in a file of this home: key -> fit -> micro-batch -> bytes."""

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key

    def peaks(self, fit: Fit) -> dict[int, int]:
        there = self._all().get(self._key, {}).get(_name(fit), {})
        return {int(size): int(peak) for size, peak in there.items()}

    def keep(self, fit: Fit, size: int, peak: int) -> None:
        everything = self._all()
        everything.setdefault(self._key, {}).setdefault(_name(fit), {})[str(size)] = peak
        write(self._path, json.dumps(everything, indent=1).encode())

    def _all(self) -> dict[str, dict[str, dict[str, int]]]:
        try:
            words = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return words if isinstance(words, dict) else {}


def _name(fit: Fit) -> str:
    return json.dumps(replace(fit, micro_batch=None).words, sort_keys=True)
