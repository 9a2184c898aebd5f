"""What fits a real card is found out: predicted, tried, and held to what is free there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from node import fitting
from node.home import Settings
from node.logic.fit import Fit
from node.logic.memory import estimate
from node.ranks import Bench
from node.trying import tried
from tests.node.train.room import make_room

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card here")]


@pytest.mark.parametrize("lora", [None, 4])
def test_a_card_s_peak_is_read_and_lies_below_what_is_free(tmp_path: Path, lora: int | None) -> None:
    room = make_room(tmp_path, lora)
    bench = Bench(tmp_path / "runs")
    bench.folder.mkdir()
    bench.base.symlink_to(room.base)
    question = fitting.question_of(room.job, bench.base / "config.json", Settings(ranks=1))
    assert question.place.on_card

    async def peaks(fit: Fit) -> dict[int, int]:
        return {size: peak async for size, peak in tried(bench, Settings(ranks=1), room.job, fit, question, tmp_path)}

    for fit in (Fit(engine="torch"), Fit(engine="torch", recompute=True)):
        measured = asyncio.run(peaks(fit))
        needs = estimate(question.model, question.step, replace(fit, micro_batch=1), question.place)
        print(json.dumps({"fit": fit.words, "measured": measured, "predicted": needs.card_bytes}))
        assert 0 < measured[1] < question.place.card
