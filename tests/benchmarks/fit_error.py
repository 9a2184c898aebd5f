"""How far the predicted peak memory of a step is from the measured one, for the six fits a PC without a card can get.

Predicted by what the agent predicts, measured by what the agent tries: real processes, the real model, real steps at
full length. Nothing is subtracted: interpreter and libraries are in both, as one constant of the model (CONTEXT_CPU).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from node import fitting
from node.home import Settings
from node.logic.fit import Fit, in_words
from node.logic.fitting import Wanted, ladder
from node.logic.memory import CONTEXT_CPU, estimate
from node.ranks import Bench
from node.trying import Question, tried
from shared.job import Job
from shared.models import fresh, trainables
from shared.models.trainables import Recipe
from shared.models.vocabulary import save_byte_tokenizer
from tests.benchmarks.report import Figure
from tests.node.train.room import ODD_LLAMA, make_job, make_text

CONFIG = {
    **ODD_LLAMA,
    "hidden_size": 512,
    "intermediate_size": 1408,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "max_position_embeddings": 1024,
    "vocab_size": 32_000,
}  # fmt: skip  42 M parameters
SEQUENCE, MICRO = 256, 2
RECIPES: tuple[Recipe, ...] = ({"kind": "full"}, {"kind": "lora", "rank": 16, "alpha": 32})


@dataclass(frozen=True, slots=True)
class Compared:
    fit: str
    predicted: int  # bytes
    measured: int

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1

    def __str__(self) -> str:
        return f"{self.fit}: {self.predicted / 1e6:.0f} of {self.measured / 1e6:.0f} MB ({self.error:+.1%})"


def measure(folder: Path) -> Figure:
    """The largest relative error of the six."""
    (folder / "odd").mkdir()
    save_byte_tokenizer(folder / "odd")
    (folder / "odd" / "config.json").write_text(json.dumps(CONFIG))
    bench = Bench(folder / "runs")
    bench.base.mkdir(parents=True)
    fresh.make_from_config(folder / "odd" / "config.json", bench.base)
    make_text(folder)
    compared = [compare(folder, bench, *case) for recipe in RECIPES for case in cases(bench, recipe)]
    worst = max(compared, key=lambda one: abs(one.error))
    pure = max(abs(one.predicted - one.measured) / (one.measured - CONTEXT_CPU) for one in compared)
    detail = (
        f"{len(compared)} fits of a 42 M Llama, sequence {SEQUENCE}, micro-batch {MICRO}; predicted of measured: "
        f"{'; '.join(map(str, compared))}; with the constant of {CONTEXT_CPU / 1e6:.0f} MB taken off both, {pure:.1%}"
    )
    return Figure("fit_error", abs(worst.error), "ratio", 0.15, "lower", detail).explained(f"the worst is {worst.fit}")


def cases(bench: Bench, recipe: Recipe) -> Iterator[tuple[Job, Question, Fit]]:
    rank = recipe.get("rank")
    job = make_job(trainables(CONFIG, recipe), rank, sequence=SEQUENCE, batch=2 * MICRO * SEQUENCE, steps=2, rounds=1)
    question = fitting.question_of(job, bench.base / "config.json", Settings(ranks=1))
    question = replace(question, wanted=Wanted(micro_batch=MICRO))
    for fit in ladder(question.model, question.place, question.wanted):
        yield job, question, replace(fit, micro_batch=MICRO)


def compare(folder: Path, bench: Bench, job: Job, question: Question, fit: Fit) -> Compared:
    async def peak() -> int:
        async for _, took in tried(bench, Settings(ranks=1, threads=1), job, fit, question, folder):
            return took
        raise AssertionError("nothing was measured")

    predicted = estimate(question.model, question.step, fit, question.place).card_bytes
    return Compared(in_words(replace(fit, micro_batch=None), question.model.lora), predicted, asyncio.run(peak()))
