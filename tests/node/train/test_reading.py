"""What real trainers read: nothing twice, nothing left out, through crashes, refusals and changes of the text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.data import ledger
from node.data.collection import Wish, add
from node.data.order import Spans, without
from node.data.tokens import name_of
from tests.node.train.room import Room, Trainer, make_room

pytestmark = pytest.mark.slow
STEPS, SEQUENCES = 4, 4  # of the room's job


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return make_room(tmp_path / "room", lora=3)


def round_of(room: Room, number: int, work: str = "work") -> Spans:
    """What round `number` read of the room's first text."""
    known = ledger.load(room.folder / work / "reading.json")
    (read,) = (round_.read.spans for round_ in known.rounds if round_.number == number)
    (meta,) = (room.folder / "data" / "prose").glob("tokens-*/meta.json")
    return read[name_of(room.folder / "data" / "prose", json.loads(meta.read_bytes())["edition"])]


def more_data(room: Room, count: int = 40) -> Path:
    folder = room.folder / "more"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.txt").write_text("\n\n".join(f"More {number} {line} of this." for line in range(4)))
    add(Wish(room.folder, folder, "more"), group_key=b"k" * 32)
    return room.folder / "data" / "more"


def models(room: Room, count: int) -> list[Path]:
    """Another model for every round: as if the ones before had counted."""
    return [room.noise(number, f"model-{number}.safetensors") for number in range(1, count + 1)]


def test_rounds_read_on_and_what_was_refused_is_read_again(room: Room, tmp_path: Path) -> None:
    first, second, third, fourth = models(room, 4)
    with Trainer(tmp_path / "p") as trainer:
        trainer.ask(room.open_words(engine="torch"))
        trainer.ask(room.train_words(first, 1, "1"))
        trainer.ask(room.train_words(second, 2, "2"))
        trainer.ask(room.train_words(third, 3, "3") | {"lost": [2]})
        trainer.ask(room.train_words(third, 4, "4") | {"lost": [2]})  # the model of round 3: it was abandoned
        trainer.ask(room.train_words(fourth, 5, "5") | {"lost": [2]})
    each = STEPS * SEQUENCES
    read = [round_of(room, number) for number in range(1, 6)]
    assert read == [((0, each),), *[((each, 2 * each),)] * 3, ((2 * each, 3 * each),)]


def test_the_learning_rate_follows_the_rounds_that_counted(room: Room, tmp_path: Path) -> None:
    """A third attempt at the first round is not a third of the run."""
    losses = []
    for number, done in ((1, 0), (3, 0), (3, 1)):
        with Trainer(tmp_path / "p") as trainer:
            trainer.ask(room.open_words(f"{number} {done}", engine="torch"))
            words = room.train_words(round_number=number, out=f"{number} {done}") | {"done": done}
            losses.append(trainer.ask(words)["metrics"]["loss"])
    assert losses[0] == losses[1] != losses[2]


def test_a_killed_trainer_leaves_nothing_out(room: Room, tmp_path: Path) -> None:
    """Killed in round 2, which then starts again from its beginning; and after it, before anybody heard of it."""
    first, second, third = models(room, 3)
    long = room.changed(steps=200)
    with Trainer(tmp_path / "1") as trainer:
        trainer.ask(long.open_words(engine="torch"))
        trainer.ask(long.train_words(first, 1, "1"))
        trainer.tell(long.train_words(second, 2, "2"))
        trainer.until("progress")
    with Trainer(tmp_path / "2") as trainer:
        trainer.ask(long.open_words(engine="torch"))
        once = trainer.ask(long.train_words(second, 2, "2"))
        read = round_of(room, 2)
    for path in room.folder.glob("2.update*"):
        path.unlink()
    with Trainer(tmp_path / "3") as trainer:
        trainer.ask(long.open_words(engine="torch"))
        assert trainer.ask(long.train_words(second, 2, "2"))["digest"] == once["digest"]
        assert round_of(room, 2) == read
        trainer.ask(long.train_words(third, 3, "3"))
    rounds = [round_of(room, number) for number in (1, 2, 3)]
    assert rounds == [((n * 200 * SEQUENCES, (n + 1) * 200 * SEQUENCES),) for n in range(3)]


def test_text_that_comes_in_the_middle_of_a_round_is_read_beside_the_rest(room: Room, tmp_path: Path) -> None:
    steps = 300  # so many that it cannot be done before it is stopped
    long = room.changed(steps=steps)
    with Trainer(tmp_path / "1") as trainer:
        trainer.ask(long.open_words(engine="torch"))
        trainer.tell(long.train_words(out="1"))
        trainer.until("progress")
        assert trainer.close() == [0]  # its state is kept
    (middle,) = (room.folder / "work" / "checkpoint").glob("round-000001-step-*")
    place = json.loads((middle / "place.json").read_text().partition("\n")[0])
    ((_, before),) = place["text"]["read"]["spans"].items()
    words = long.open_words(engine="torch")
    words["data"].append(str(more_data(room)))
    with Trainer(tmp_path / "2") as trainer:
        trainer.ask(words)
        trained = trainer.ask(long.train_words(out="1"))
    read = ledger.load(room.folder / "work" / "reading.json").rounds[-1].read.spans
    assert trained["steps"] == steps
    assert 0 < place["steps"] < steps
    assert before == [[0, place["steps"] * SEQUENCES]]
    assert len(read) == 2
    prose = round_of(room, 1)
    assert without(prose, ((0, place["steps"] * SEQUENCES),))
    assert sum(stop - start for spans in read.values() for start, stop in spans) == steps * SEQUENCES


@pytest.mark.parametrize(
    ("fit", "world"), [({"engine": "torch"}, 2), ({"engine": "deepspeed", "zero": 2}, 2)], ids=["torch", "zero-2"]
)
def test_replies_weigh_the_same_however_they_are_dealt_out(fit: dict[str, Any], world: int, tmp_path: Path) -> None:
    """The mean over the replies' tokens of a step, on one rank in one batch or on two in pieces."""
    room = make_room(tmp_path / "room", lora=3, label_smoothing=0.1, batch=96)
    (room.folder / "talks").mkdir()
    talks = [
        [("user", "ask " * (n % 7) + "?"), ("assistant", "yes " * (n % 5) + f"{n} it is, by my count")]
        for n in range(300)
    ]
    lines = [{"messages": [{"role": role, "content": content} for role, content in talk]} for talk in talks]
    (room.folder / "talks" / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    add(Wish(room.folder, room.folder / "talks", "talks"), group_key=b"k" * 32)
    room = replace(room, data=room.folder / "data" / "talks")
    with Trainer(tmp_path / "one") as trainer:
        trainer.ask(room.open_words("one", engine="torch", micro_batch=6))
        one = trainer.ask(room.train_words(out="one"))
        assert 0 < one["tokens"] < STEPS * 96
        measured = trainer.ask({"op": "evaluate", "round": 1, "model": str(room.model)})["metrics"]
        assert measured["bytes"] >= measured["tokens"] > 0
    with Trainer(tmp_path / "two", world) as trainer:
        trainer.ask(room.open_words("two", micro_batch=1, **fit))
        two = trainer.ask(room.train_words(out="two"))
    assert two["tokens"] == one["tokens"]
    assert two["metrics"]["loss"] == pytest.approx(one["metrics"]["loss"], abs=2e-5)
    assert two["metrics"]["gradient_norm"] == pytest.approx(one["metrics"]["gradient_norm"], rel=1e-3)
