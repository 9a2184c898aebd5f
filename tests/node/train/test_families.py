"""Every kind of model trains in the real trainer, and what comes out loads in the usual tools and says the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from shared.blobs import Blobs
from shared.models import folder as model_folder
from shared.models.trainables import Recipe, initial, trainables
from shared.result import lay_out
from tests.node.homes import keep
from tests.node.train.loading import loss_of_folder
from tests.node.train.room import Room, Trainer, make_job, make_text
from tests.shared.families import make_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning"),  # peft asks the old way
]
CASES = [
    ("qwen2", False), ("qwen3", True), ("gpt-neox", False), ("gpt-neox", True), ("gpt-j", False),
    ("llama with biases", False),
]  # fmt: skip


def room_of(folder: Path, kind: str, tied: bool, lora: int | None, **changes: Any) -> Room:
    """A room whose base is a tiny folder of that kind, its files among the blobs."""
    base = make_folder(folder / "base", kind, tied=tied)
    recipe: Recipe = {"kind": "full"} if lora is None else {"kind": "lora", "rank": lora, "alpha": 2 * lora}
    config = json.loads((base / "config.json").read_bytes())
    blobs = Blobs(folder / "blobs")
    files = {name: keep(blobs, path.read_bytes()) for name, path in model_folder.travelling(base).items()}
    room = Room(
        folder, base, make_text(folder),
        make_job(trainables(config, recipe), lora, files=files, update="weights", evaluate_tokens=400, **changes),
    )  # fmt: skip
    room.write(room.model, dict(initial(base, recipe, room.job.tensors, seed=1)))
    return room


def trained(room: Room, **fit: Any) -> tuple[Path, float, float]:
    """The trained weights as the host would write them, and the held-out loss before and after, by the trainer."""
    with Trainer(room.folder / "processes") as trainer:
        trainer.ask(room.open_words(**fit))
        before = trainer.ask({"op": "evaluate", "round": 0, "model": str(room.model)})["metrics"]["loss"]
        update = room.read(Path(trainer.ask(room.train_words())["update"]))
        model = room.write(room.folder / "tuned.safetensors", update)
        after = trainer.ask({"op": "evaluate", "round": 1, "model": str(model)})["metrics"]["loss"]
        assert trainer.close() == [0]
    return model, before, after


@pytest.mark.parametrize("lora", [None, 3], ids=["full", "lora"])
@pytest.mark.parametrize(("kind", "tied"), CASES)
def test_a_kind_trains_and_its_result_loads_in_other_tools(
    kind: str, tied: bool, lora: int | None, tmp_path: Path
) -> None:
    room = room_of(tmp_path, kind, tied, lora)
    model, before, after = trained(room, engine="torch")
    assert after < before
    blobs, result = Blobs(tmp_path / "blobs"), tmp_path / "result"
    tuned = result / ("model" if lora is None else "adapter")
    lay_out(room.job, blobs, keep(blobs, model.read_bytes()), result / "base", tuned)
    assert loss_of_folder(room, result / "base") == pytest.approx(before, abs=1e-4)
    assert loss_of_folder(room, tuned) == pytest.approx(after, abs=1e-4)


def test_a_kind_with_another_name_for_its_head_trains_sharded(tmp_path: Path) -> None:
    room = room_of(tmp_path, "gpt-neox", False, None)
    model, before, after = trained(room, engine="deepspeed", zero=3)
    assert after < before
    folder = shutil.copytree(room.base, tmp_path / "tuned")
    shutil.copy(model, folder / "model.safetensors")
    assert loss_of_folder(room, folder) == pytest.approx(after, abs=1e-4)


def test_samples_longer_than_the_model_reads_are_refused_in_words(tmp_path: Path) -> None:
    room = room_of(tmp_path, "gpt-j", False, None, sequence=256, batch=256)
    with Trainer(tmp_path / "processes") as trainer:
        sentence = trainer.ask(room.open_words(), "failed")["sentence"]
    assert "samples have 256 tokens" in sentence
    assert "reads 128 at most" in sentence
