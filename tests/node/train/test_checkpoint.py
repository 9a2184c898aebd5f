"""Checkpoints of real trainers: killed, spoiled, without room; training goes on as if nothing had happened."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from node.data import ledger
from node.train.bench import Voice, open_bench
from node.train.loop import Round, Trained, train_round
from node.train.ranks import Ranks
from shared.errors import OwnerMustAct
from shared.ids import Digest
from tests.faults.matter.homes import disk, filled
from tests.node.train.room import Room, Trainer, digest_of, make_room

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore:.is_gradient_checkpointing.:FutureWarning"
    ),  # peft asks transformers the old way
]
ROUNDS = 2
STEPS = 30
EACH_STEP = {"checkpoint_steps": 1}
Curve = dict[int, float]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("room"), lora=3, steps=STEPS, rounds=ROUNDS, sequence=16, batch=32)


@pytest.fixture(scope="module")
def unbroken(room: Room) -> tuple[Curve, list[str]]:
    """Each step's loss and each round's update, of a trainer that nothing happens to."""
    with Trainer(room.folder / "unbroken processes") as trainer:
        trainer.ask(room.open_words("unbroken", engine="torch"))
        digests = [trainer.ask(words)["digest"] for words in both(room, "unbroken")]
        assert trainer.close() == [0]
    return curve(room.folder / "unbroken"), digests


def both(room: Room, name: str) -> Iterator[dict[str, Any]]:
    for number in range(1, ROUNDS + 1):
        yield room.train_words(round_number=number, out=f"{name} {number}")


def checkpoints(room: Room, name: str, pattern: str = "round-*") -> list[Path]:
    return sorted((room.folder / name / "checkpoint").glob(pattern))


def curve(work: Path) -> Curve:
    """The loss of every optimizer step that TensorBoard was told, the last word for each."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found: Curve = {}
    for file in sorted((work / "tensorboard" / "steps").glob("events.*"), key=lambda path: path.stat().st_mtime_ns):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.tag == "steps/loss":
                    found[event.step] = value.tensor.float_val[0]
    return found


def killed_at(room: Room, name: str, number: int, step: int) -> None:
    """A trainer takes the rounds up to `number` and is killed (-9) once the checkpoint of that step is there."""
    with Trainer(room.folder / f"{name} processes") as trainer:
        trainer.ask(room.open_words(name, engine="torch") | {"care": EACH_STEP})
        orders = list(both(room, name))[:number]
        for words in orders[:-1]:
            trainer.ask(words)
        trainer.tell(orders[-1])
        until(
            lambda: any(
                f"round-{number:06d}-step-" in p.name and int(p.name[-8:]) >= step for p in checkpoints(room, name)
            )
        )
        trainer.kill()


def finished(room: Room, name: str) -> list[str]:
    """Another trainer takes both rounds to their end; the digests of their updates."""
    with Trainer(room.folder / f"{name} processes") as trainer:
        trainer.ask(room.open_words(name, engine="torch"))
        digests = [trainer.ask(words)["digest"] for words in both(room, name)]
        assert trainer.close() == [0]
    return digests


def until(check: Any) -> None:
    end = time.monotonic() + 120
    while not check():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize(("number", "step"), [(1, 2), (1, 17), (2, 5)])
def test_losses_after_a_kill_are_those_of_an_unbroken_run(
    room: Room, unbroken: tuple[Curve, list[str]], number: int, step: int
) -> None:
    """Bit for bit, step by step, and so is every update."""
    name = f"killed {number} {step}"
    killed_at(room, name, number, step)
    assert finished(room, name) == unbroken[1]
    assert curve(room.folder / name) == unbroken[0]


@dataclass
class Here:
    """A trainer's bench in this process: the same code without the pipes."""

    room: Room
    name: str
    care: dict[str, Any] = field(default_factory=lambda: dict(EACH_STEP))
    leave_after: int = 1 << 60  # steps of the round; then the parent is gone
    halt_at: int = 1 << 60  # the how-manieth question whether to halt is answered with yes
    notes: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.asked = 0
        voice = Voice(self._hear, halted=self._asked, ended=self._gone)
        words = self.room.open_words(self.name, engine="torch") | {"care": self.care}
        self.bench = open_bench(words, Ranks(0, 1, self.room.folder / "unused"), voice)

    def round(self, number: int) -> Trained | None:
        return train_round(self.bench, Round(number, number - 1, self.room.model, Digest(digest_of(self.room.model))))

    def weights(self) -> dict[str, bytes]:
        return {name: values.tobytes() for name, values in self.bench.engine.read_weights()}

    def _hear(self, fact: dict[str, Any]) -> None:
        self.told.append(fact)
        if fact["fact"] == "note":
            self.notes.append(fact["sentence"])

    def _asked(self) -> bool:
        self.asked += 1
        return self.asked >= self.halt_at

    def _gone(self) -> bool:
        return any(
            int(path.name[-8:]) >= self.leave_after for path in checkpoints(self.room, self.name, "round-*-step-*")
        )


@pytest.fixture(scope="module")
def whole(room: Room) -> list[dict[str, bytes]]:
    """The weights after each round of a run that nothing happens to."""
    here, found = Here(room, "whole"), []
    for number in (1, 2):
        assert here.round(number) is not None
        found.append(here.weights())
    return found


@pytest.mark.parametrize("spoilt", ["weights.safetensors", "rank-0-of-1.safetensors", "place.json"])
def test_a_flipped_byte_costs_one_checkpoint_and_nothing_else(
    room: Room, whole: list[dict[str, bytes]], spoilt: str
) -> None:
    """The one before it is used, and the owner is told. With that one gone, too, the round begins anew."""
    name = f"flipped {spoilt}"
    assert Here(room, name, leave_after=9).round(1) is None
    newest, older = checkpoints(room, name)[::-1]
    flip(newest / spoilt)
    shutil.copytree(room.folder / name, room.folder / f"{name} twice")
    here = Here(room, name)
    assert here.round(1) is not None
    assert here.weights() == whole[0]
    (note,) = here.notes
    assert newest.name in note
    assert "is damaged on this disk" in note

    flip(room.folder / f"{name} twice" / "checkpoint" / older.name / spoilt)
    again = Here(room, f"{name} twice")
    assert again.round(1) is not None
    assert again.weights() == whole[0]
    assert len(again.notes) == 2


def test_a_step_is_given_up_in_any_layer_and_leaves_no_trace(room: Room, whole: list[dict[str, bytes]]) -> None:
    """Asked before each step and in both layers, forward and back: always the weights after the last whole step."""
    here = Here(room, "halted", care={})
    found = []
    here.asked = 0
    for question in range(6, 11):
        here.asked, here.halt_at = 0, question
        trained = here.round(1)
        assert trained is not None
        assert trained.steps == 1
        assert here.asked >= question
        found.append(here.weights())
    assert all(weights == found[0] for weights in found)
    here.halt_at = 1 << 60
    assert here.round(1) is not None
    assert here.weights() == whole[0]


def test_adams_state_of_a_finished_round_that_rotted_is_told(room: Room, whole: list[dict[str, bytes]]) -> None:
    """Adam starts fresh, but what was read is known."""
    assert Here(room, "rotten").round(1) is not None
    flip(room.folder / "rotten" / "checkpoint" / "round-000001" / "rank-0-of-1.safetensors")
    here = Here(room, "rotten", leave_after=1)
    assert here.round(2) is None
    assert len(here.notes) == 1
    assert [round_.number for round_ in ledger.load(room.folder / "rotten" / "reading.json").rounds] == [1]
    assert here.weights() != whole[1]


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_only_the_last_two_checkpoints_are_kept(room: Room) -> None:
    here = Here(room, "pruned", leave_after=12)
    here.round(1)
    assert [path.name[-8:] for path in checkpoints(room, "pruned")] == ["00000012", "00000013"]
    here.leave_after = 1 << 60
    for number in (1, 2, 3):
        here.round(number)
    assert [path.name for path in checkpoints(room, "pruned")] == ["round-000002", "round-000003"]


def test_a_full_disk_costs_checkpoints_but_not_the_round(room: Room, whole: list[dict[str, bytes]]) -> None:
    """The older one stays, the owner is told, and with room again the next one is kept."""
    small = room.folder / "small"
    with disk(small, 8):
        (small / "checkpoint").mkdir()
        (room.folder / "full").mkdir()
        (room.folder / "full" / "checkpoint").symlink_to(small / "checkpoint")
        here = Here(room, "full", leave_after=5)
        assert here.round(1) is None
        before = checkpoints(room, "full")
        here.leave_after = 1 << 60
        with filled(small, 4096):
            assert here.round(1) is not None
        assert here.weights() == whole[0]
        assert checkpoints(room, "full") == before
        assert not list((small / "checkpoint").glob(".*"))
        assert all("could not be kept" in note and "The disk is full" in note for note in here.notes)
        assert len(here.notes) == STEPS - 6 + 1
        assert here.round(2) is not None
        assert here.weights() == whole[1]
        assert [path.name for path in checkpoints(room, "full")] == ["round-000002"]


def test_steps_that_cannot_be_learnt_from_are_counted_and_told_and_end_in_words(room: Room) -> None:
    """A model with an infinite value: each step's loss is not a number, and nothing is learnt or sent."""
    spoilt = room.read(room.model)
    next(iter(spoilt.values())).flat[0] = np.inf
    model = room.write(room.folder / "infinite.safetensors", spoilt)
    here = Here(room, "infinite")
    with pytest.raises(OwnerMustAct, match=r"Training diverged in step 1 of round 1 .* 10 times in a row"):
        train_round(here.bench, Round(1, 0, model, Digest(digest_of(model))))
    assert len(here.notes) == 9
    assert "was skipped" in here.notes[0]
    assert "(9 so far)" in here.notes[-1]
