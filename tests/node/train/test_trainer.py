"""The trainer as the agent meets it: real processes, JSON lines, files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.job import Mod
from tests.node.train.room import Room, Trainer, closest, make_room

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore:.is_gradient_checkpointing.:FutureWarning"
    ),  # peft asks transformers the old way
]
ENGINES: list[tuple[str, dict[str, Any], int]] = [
    ("torch", {"engine": "torch"}, 1),
    ("zero-3", {"engine": "deepspeed", "zero": 3}, 1),
    ("zero-3 on 3 ranks", {"engine": "deepspeed", "zero": 3}, 3),
    ("torch on 2 ranks", {"engine": "torch"}, 2),
]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("room"), lora=3)


@pytest.fixture(scope="module")
def trainer(room: Room) -> Iterator[Trainer]:
    """One plain trainer with the job open, for tests that leave it as they found it."""
    with Trainer(room.folder / "processes") as trainer:
        trainer.ask(room.open_words("shared"))
        yield trainer
        assert trainer.close() == [0]


@pytest.mark.parametrize(("name", "fit", "world"), ENGINES, ids=[name for name, _, _ in ENGINES])
def test_base_and_update_make_the_trained_model(room: Room, name: str, fit: dict[str, Any], world: int) -> None:
    """The next round starts from base + update and goes on learning."""
    with Trainer(room.folder / name, world) as trainer:
        opened = trainer.ask(room.open_words(name, **fit))
        assert opened["engine"] == ("torch" if name.startswith("torch") else "deepspeed zero-3")
        assert opened["trainable"] == sum(int(np.prod(tensor.shape)) for tensor in room.job.tensors)
        assert opened["step_seconds"] > 0
        first = trainer.ask(room.train_words(out=f"{name} 1"))
        assert (first["steps"], first["tokens"], first["share"]) == (4, 256, 1.0)
        assert first["size"] == Path(first["update"]).stat().st_size
        before, update = room.read(room.model), room.read(Path(first["update"]))
        merged = room.write(room.folder / f"{name} merged", {name: before[name] + update[name] for name in before})
        second = trainer.ask(room.train_words(merged, 2, f"{name} 2"))
        assert second["metrics"]["loss"] < first["metrics"]["loss"]
        assert trainer.close() == [0] * world


def test_an_update_added_to_the_base_is_the_model_that_was_trained(room: Room, tmp_path: Path) -> None:
    """`after - before` is rounded once to fp32, so before + update may miss `after` by half a unit in the last place of
    the larger of the two: 2^-24 relative, 6e-8 for values below 1."""
    whole = room.changed(update="weights")
    with Trainer(tmp_path) as trainer:
        trainer.ask(whole.open_words("whole"))
        weights = room.read(Path(trainer.ask(whole.train_words(out="whole"))["update"]))
    with Trainer(tmp_path) as trainer:
        trainer.ask(room.open_words("parts"))
        update = room.read(Path(trainer.ask(room.train_words(out="parts"))["update"]))
    before = room.read(room.model)
    assert closest({name: before[name] + update[name] for name in before}, weights) <= 6e-8
    assert closest(before, weights) > 1e-3


def test_a_bf16_update_is_half_the_size_and_nearly_the_same(room: Room, tmp_path: Path) -> None:
    short = room.changed(codec="bf16")
    with Trainer(tmp_path) as trainer:
        trainer.ask(short.open_words("short"))
        fact = trainer.ask(short.train_words(out="short"))
    update = room.read(Path(fact["update"]), "bf16")
    assert fact["size"] < 2 * sum(values.size for values in update.values()) + 8192
    largest = max(float(np.abs(values).max()) for values in update.values())
    assert 1e-3 < largest < 0.1


def test_a_round_halted_in_the_middle_sends_what_it_has(room: Room, tmp_path: Path) -> None:
    endless = room.changed(steps=1_000_000)
    with Trainer(tmp_path) as trainer:
        trainer.ask(endless.open_words("halted"))
        trainer.tell(endless.train_words(out="halted"))
        trainer.until("progress")
        trainer.tell({"op": "halt"})
        fact = trainer.until("trained")
        assert 0 < fact["share"] < 1
        assert fact["share"] == pytest.approx(fact["steps"] / 1_000_000)
        assert room.read(Path(fact["update"]))
        assert trainer.close() == [0]


def test_a_round_as_long_as_a_time_takes_the_steps_it_can(room: Room, tmp_path: Path) -> None:
    timed = room.changed(steps=None, seconds=1.5)
    with Trainer(tmp_path) as trainer:
        trainer.ask(timed.open_words("timed"))
        fact = trainer.ask(timed.train_words(out="timed"))
        assert fact["share"] == 1.0
        assert fact["steps"] > 4
        assert fact["metrics"]["seconds"] >= 1.5


def test_a_finished_round_is_answered_at_once_after_a_crash(room: Room, tmp_path: Path) -> None:
    with Trainer(tmp_path) as trainer:
        trainer.ask(room.open_words("crash"))
        first = trainer.ask(room.train_words(out="crash"))
    with Trainer(tmp_path) as trainer:
        trainer.ask(room.open_words("crash"))
        assert trainer.ask(room.train_words(out="crash")) == first


def test_a_round_whose_update_was_lost_is_trained_again_to_the_same_bytes(room: Room, tmp_path: Path) -> None:
    """Also in round 2, where Adam's state and the place in the text come from the checkpoint of round 1."""
    digests = []
    for attempt in range(2):
        with Trainer(tmp_path) as trainer:
            trainer.ask(room.open_words("again"))
            if not attempt:
                trainer.ask(room.train_words(out="again 1"))
            digests.append(trainer.ask(room.train_words(round_number=2, out="again 2"))["digest"])
        (room.folder / "again 2.update.json").unlink()
    assert digests[0] == digests[1]


def test_a_trainer_whose_parent_left_goes_on_where_it_was(room: Room, tmp_path: Path) -> None:
    """The end of standard input in the middle of a round: the steps done are kept for the next start."""
    long = room.changed(steps=3000)
    with Trainer(tmp_path) as trainer:
        trainer.ask(long.open_words("left"))
        trainer.tell(long.train_words(out="left"))
        reached = trainer.until("progress")["step"]
        assert trainer.close() == [0]
    with Trainer(tmp_path) as trainer:
        trainer.ask(long.open_words("left"))
        trainer.tell(long.train_words(out="left"))
        assert trainer.until("progress")["step"] >= reached
        trainer.tell({"op": "halt"})
        assert trainer.until("trained")["steps"] >= reached


def test_other_ranks_end_when_rank_0_is_killed(room: Room, tmp_path: Path) -> None:
    with Trainer(tmp_path, world=2) as trainer:
        trainer.ask(room.open_words("killed", engine="torch"))
        trainer.processes[0].kill()
        assert trainer.processes[1].wait(timeout=60) != 0


def test_evaluate_measures_in_bits_per_byte_of_the_scored_text(room: Room, trainer: Trainer) -> None:
    metrics = trainer.ask({"op": "evaluate", "round": 0, "model": str(room.model)})["metrics"]
    assert metrics["tokens"] == 200
    assert metrics["bytes"] == 200  # the byte tokenizer
    assert metrics["bits_per_byte"] == pytest.approx(metrics["loss"] / np.log(2))
    assert metrics["perplexity"] == pytest.approx(np.exp(metrics["loss"]))


def test_alone_learns_and_reports_its_better_end(room: Room, trainer: Trainer) -> None:
    fact = trainer.ask({"op": "alone", "model": str(room.model)})
    ends = {name: fact[name]["bits_per_byte"] for name in ("final", "tail")}
    assert fact["best"] == min(ends, key=lambda name: ends[name])
    assert min(ends.values()) < fact["before"]["bits_per_byte"]


def test_a_missing_model_is_told_in_words_and_the_trainer_lives(room: Room, trainer: Trainer) -> None:
    fact = trainer.ask({"op": "train", "round": 1, "model": "/nowhere/model", "out": "/nowhere/out"}, "failed")
    assert "/nowhere/model is missing" in fact["sentence"]
    assert trainer.ask({"op": "evaluate", "round": 0, "model": str(room.model)})


def test_a_model_of_another_run_is_refused_with_the_tensors_name(room: Room, trainer: Trainer, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(room.model.read_bytes().replace(b"lora_A", b"lora_Z"))
    fact = trainer.ask({"op": "evaluate", "round": 0, "model": str(other)}, "failed")
    assert "lora_" in fact["sentence"]


def test_a_folder_that_holds_no_llama_is_refused_in_words(room: Room, tmp_path: Path) -> None:
    config = json.loads((room.base / "config.json").read_text())
    with Trainer(tmp_path) as trainer:
        words = room.open_words("gpt2")
        (tmp_path / "tokenizer.json").write_bytes((room.base / "tokenizer.json").read_bytes())
        for change, complaint in (({"model_type": "gpt2"}, "only Llama"), ({"num_hidden_layers": 3}, "do not belong")):
            (tmp_path / "config.json").write_text(json.dumps(config | change))
            (tmp_path / "model.safetensors").write_bytes((room.base / "model.safetensors").read_bytes())
            assert complaint in trainer.ask(words | {"base": str(tmp_path)}, "failed")["sentence"]
        assert "no text" in trainer.ask(words | {"data": []}, "failed")["sentence"]


def test_whole_weights_pass_through_flowers_clipping(room: Room, tmp_path: Path) -> None:
    clipped = room.changed(update="weights", mods=(Mod("fixedclipping_mod"),))
    with Trainer(tmp_path) as trainer:
        trainer.ask(clipped.open_words("clipped"))
        fact = trainer.ask(clipped.train_words(out="clipped", clipping_norm=0.01))
        bare = trainer.ask(clipped.train_words(round_number=2, out="bare"), "failed")
    before, after = room.read(room.model), room.read(Path(fact["update"]))
    norm = np.sqrt(sum(np.square(after[name] - before[name]).sum() for name in before))
    assert norm == pytest.approx(0.01, rel=1e-3)
    assert "clipping_norm" in bare["sentence"]


def test_what_was_trained_loads_in_the_usual_tools(tmp_path: Path) -> None:
    """An adapter in peft, whole weights in AutoModelForCausalLM: the same held-out loss as the trainer measured."""
    import shutil

    from tests.node.train.loading import loss_of_adapter, loss_of_folder

    for lora in (3, None):
        room = make_room(tmp_path / str(lora), lora=lora, update="weights", evaluate_tokens=512)
        with Trainer(tmp_path / "p") as trainer:
            trainer.ask(room.open_words())
            update = Path(trainer.ask(room.train_words())["update"])
            update = room.write(room.folder / "tuned.safetensors", room.read(update))  # as the host writes a model
            wanted = trainer.ask({"op": "evaluate", "round": 1, "model": str(update)})["metrics"]["loss"]
        folder = tmp_path / f"result {lora}"
        if lora is None:
            shutil.copytree(room.base, folder)
            shutil.copy(update, folder / "model.safetensors")
            assert loss_of_folder(room, folder) == pytest.approx(wanted, abs=1e-4)
        else:
            assert loss_of_adapter(room, update, folder) == pytest.approx(wanted, abs=1e-4)


def test_tensorboard_finds_the_curves(room: Room, trainer: Trainer) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer.ask(room.train_words(out="curves"))
    trainer.ask({"op": "evaluate", "round": 1, "model": str(room.model)})
    deadline = time.monotonic() + 10
    wanted = {
        *(f"steps/{name}" for name in ("loss", "perplexity", "gradient_norm", "tokens_per_second", "learning_rate")),
        *(f"steps/{name}" for name in ("memory_bytes", "skipped")),
        *(f"train/{name}" for name in ("loss", "bytes", "tokens")),  # by round, as on the host
        *(f"held_out/{name}" for name in ("loss", "perplexity", "bits_per_byte")),
    }
    tags: set[str] = set()
    while not wanted <= tags:
        assert time.monotonic() < deadline, tags
        tags = set()
        for axis in ("steps", "rounds"):
            curves = EventAccumulator(str(room.folder / "shared" / "tensorboard" / axis))
            curves.Reload()
            assert all(tag.startswith("steps/") == (axis == "steps") for tag in curves.Tags()["scalars"])
            tags |= set(curves.Tags()["scalars"])
