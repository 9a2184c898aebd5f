"""The heat guard's decisions, and a real trainer that is held by a sensor which is a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.train.gradients import Gradients
from node.train.heat import SLOW_SECONDS, Heat, Pace, decide
from tests.node.train.room import Trainer, make_room

LIMIT = 83.0


@pytest.mark.parametrize(
    ("pace", "celsius", "after", "now"),
    [
        (Pace.FULL, 83.0, Pace.FULL, 1.0),
        (Pace.FULL, 83.5, Pace.SLOW, 1.0),
        (Pace.FULL, 89.0, Pace.PAUSED, 1.0),
        (Pace.SLOW, 81.0, Pace.SLOW, 1.0),
        (Pace.SLOW, 80.0, Pace.FULL, 1.0),
        (Pace.SLOW, 84.0, Pace.SLOW, SLOW_SECONDS - 1),
        (Pace.SLOW, 84.0, Pace.PAUSED, SLOW_SECONDS),
        (Pace.PAUSED, 74.0, Pace.PAUSED, 1e9),
        (Pace.PAUSED, 73.0, Pace.FULL, 1.0),
        (Pace.PAUSED, None, Pace.FULL, 1.0),
    ],
)
def test_the_pace_follows_the_temperature(pace: Pace, celsius: float | None, after: Pace, now: float) -> None:
    assert decide(Heat(pace, 0.0), celsius, now, LIMIT).pace is after


def test_a_pace_that_stays_keeps_the_moment_it_began() -> None:
    assert decide(Heat(Pace.SLOW, 7.0), 84.0, 9.0, LIMIT) == Heat(Pace.SLOW, 7.0, 84.0)


def test_gradients_are_called_what_they_are() -> None:
    def word(*norms: float) -> str:
        gradients = Gradients(clip=1.0)
        for norm in norms:
            gradients = gradients.after(norm)
        return gradients.word

    assert word() == ""
    assert word(0.5, 0.4, 3.0) == ""
    assert word(0.5, 0.4, 40.0) == "exploding"
    assert word(5e3, 5e3, 5e3) == "exploding"
    assert word(0.01, 0.01, 0.5) == "", "below what is clipped"
    assert word(1e-8, 1e-9) == "vanishing"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
def test_a_hot_pc_slows_down_then_pauses_and_goes_on_when_cool(tmp_path: Path) -> None:
    """Halting is heard in the pause, too."""
    sensor = tmp_path / "celsius"
    sensor.write_text("60")
    room = make_room(tmp_path / "room", lora=3, steps=1_000_000)
    with Trainer(tmp_path / "processes", POTLUCK_TEMPERATURE=str(sensor)) as trainer:
        trainer.ask(room.open_words("hot") | {"care": {"heat_limit": 70}})
        trainer.tell(room.train_words(out="hot"))
        cool = trainer.until("progress", "heat")
        assert cool["metrics"]["celsius"] == 60.0
        assert cool["metrics"]["memory_bytes"] > 1e6
        assert cool["metrics"]["skipped"] == 0
        for celsius, pace in (("72", "slow"), ("80", "paused"), ("65", "paused"), ("59", "full"), ("99", "paused")):
            write(sensor, celsius)
            if (celsius, pace) != ("65", "paused"):
                heard = trainer.until("heat")
                while heard["pace"] != pace:
                    heard = trainer.until("heat")
                assert heard == {"fact": "heat", "pace": pace, "celsius": float(celsius), "limit": 70}
        trainer.tell({"op": "halt"})
        assert trainer.until("trained")["steps"] > 0
        assert trainer.close() == [0]


def write(sensor: Path, celsius: str) -> None:
    beside = sensor.with_suffix(".new")
    beside.write_text(celsius)
    beside.replace(sensor)
