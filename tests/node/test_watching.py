"""What `potluck node status` shows of the training under way."""

from __future__ import annotations

import pytest

from node import status
from node.logic.changes import apply
from node.logic.facts import Fact, Progressed, TrainerOpened, TrainerStarted, TrainerTold, TrainerWarm
from node.logic.state import State
from node.showing import Words, show_status, watching
from tests.node.test_duties import MODELS, RUN

METRICS = {
    "gradient_norm": 0.8312, "learning_rate": 4.7e-5, "skipped": 2.0, "memory_bytes": 7.31e9, "celsius": 79.0,
    "watts": 214.6,
}  # fmt: skip


def training(gradient: str = "", *facts: Fact) -> Words:
    state = State(data=("notes",))
    progressed = Progressed(2, 37, 100, 0.37, 2.3104, 4103.7, gradient, tuple(sorted(METRICS.items())))
    begun = (TrainerStarted(RUN), TrainerOpened("torch", "bf16", 1.0), TrainerTold("train", 2, MODELS[1]), progressed)
    for fact in (*begun, *facts):
        state = apply(state, fact)
    return status.picture(state, "ana", "") | {"running": True, "paused": False, "group": "saturday"}


def test_status_tells_how_training_does_in_two_lines() -> None:
    assert watching(training()) == [
        "loss 2.310, perplexity 10.1, gradient 0.83, learning rate 4.7e-05",
        "4,104 tokens/s, 7.3 GB of memory, 79 °C, 215 W, 2 steps skipped",
    ]


@pytest.mark.parametrize(
    ("gradient", "meaning"),
    [("vanishing", "vanishing: little is learnt"), ("exploding", "exploding: the learning rate may be too high")],
)
def test_gradients_that_vanish_or_explode_are_flagged_in_words(gradient: str, meaning: str) -> None:
    assert f"gradient 0.83 ({meaning})" in watching(training(gradient))[0]


def test_a_pause_by_heat_is_the_first_thing_status_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show_status(training("exploding", TrainerWarm("paused", 88.0, 83.0)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Paused by heat (88 °C, the limit is 83 °C); it goes on by itself")
    assert max(map(len, lines)) <= 80
    show_status(training("", TrainerWarm("paused", 88.0, 83.0), TrainerWarm("full", 72.0, 83.0)))
    assert capsys.readouterr().out.startswith("Training round 2 of")
