"""Which fit this PC gets, and why: all it could use and what they take, for the newest run here or a usual one."""

from __future__ import annotations

from pathlib import Path

from node import fitting
from node.examining.check import Check
from node.home import Settings
from node.logic.fit import in_words
from node.logic.fitting import Rung, choose, gigabytes, refusal, rungs
from node.logic.memory import Step
from node.logic.model import Model
from node.trying import Question
from shared import job as jobs
from shared.blobs import Blobs
from shared.errors import PotluckError
from shared.job import Job

LARGEST_JOB = 16 << 20  # bytes
LORA_RANK = 16
# potluck-1b: what people ask for
BILLION = Model(24, 2048, 4096, 2048, 32_000, gated=True, tied=True, trainable=1_072_269_312, adapters=0)
USUAL = Step(sequence=1024, sequences=64)


def examined(home: Path, settings: Settings) -> list[Check]:
    """For the newest run whose description and model are here; before that, for a billion parameters."""
    found = _newest(home)
    if found is not None:
        job, config = found
        try:
            question = fitting.question_of(job, config, settings)
        except PotluckError as error:
            return [Check("fit", False, error.sentence)]
        return [table(job.name, question)]
    place, wanted = fitting.here(settings), fitting.wishes(settings)
    usual = (("1 B, all weights", BILLION), (f"1 B, LoRA of rank {LORA_RANK}", BILLION.with_rank(LORA_RANK)))
    return [table(name, Question(model, USUAL, place, wanted), a_run=False) for name, model in usual]


def table(name: str, question: Question, *, a_run: bool = True) -> Check:
    """The chosen fit in a sentence, and below it the whole ladder."""
    model, step, place, wanted = question.model, question.step, question.place, question.wanted
    found = rungs(model, step, place, wanted)
    chosen = choose(found)
    if chosen is None:
        said = f"{name}: {refusal(model, step, place, wanted)}"
    else:
        said = f"{name}: {in_words(chosen.fit, model.lora)}, about {_size(chosen)} of {gigabytes(place.card)} free"
    lines = [f"{'card' if place.on_card else 'memory':>8}  {'main':>8}"]
    for rung in found:
        mark = "this PC's" if rung is chosen else "" if rung.fits else "too large"
        main = gigabytes(rung.needs.main_bytes) if rung.needs.main_bytes else ""
        lines.append(f"{_size(rung):>8}  {main:>8}  {mark:<9}  {in_words(rung.fit, model.lora)}")
    fine = True if chosen else False if a_run else None
    return Check("fit", fine, "\n  ".join([said, *lines]))


def _size(rung: Rung) -> str:
    return gigabytes(rung.needs.card_bytes)


def _newest(home: Path) -> tuple[Job, Path] | None:
    """The newest run's description among the blobs, with its model's configuration."""
    blobs = Blobs(home / "blobs")
    paths = [blobs.path(digest) for digest in blobs.all()]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        if path.stat().st_size > LARGEST_JOB:
            continue
        data = path.read_bytes()
        if not data.startswith(b'{"'):
            continue
        try:
            job = jobs.parse(data)
        except PotluckError:
            continue  # another small file
        config = job.files.get("config.json")
        if config is not None and blobs.has(config):
            return job, blobs.path(config)
    return None
