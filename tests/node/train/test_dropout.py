"""Dropout: on the embeddings and on what each layer adds, only while training, and the same again when asked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from node.train.dropout import add_dropout, branches, seed
from shared.ids import RunId
from tests.node.train.families import CONFIGS, WORDS, model_of
from tests.node.train.room import Room, Trainer, make_room

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
RUN = RunId("test-aaaaaa")
IDS = torch.arange(WORDS)[None]


@pytest.mark.parametrize("family", CONFIGS)
def test_embeddings_and_both_branches_of_each_layer_are_dropped(family: str) -> None:
    model = model_of(family)
    keys = list(model.state_dict())
    whole = _outputs(model)
    add_dropout(model, 0.25)
    assert list(model.state_dict()) == keys
    assert len(branches(model)) == 2 * 2
    dropped = _outputs(model)
    embedded = (dropped[0] == 0).float().mean()
    assert 0.2 < embedded < 0.3
    assert all(0.2 < (output == 0).float().mean() < 0.3 for output in dropped[1:])
    kept = dropped[0] != 0
    torch.testing.assert_close(dropped[0][kept], whole[0][kept] / 0.75)


@pytest.mark.parametrize("family", CONFIGS)
def test_nothing_is_dropped_when_measuring(family: str) -> None:
    model = model_of(family).eval()
    before = model(input_ids=IDS).logits
    add_dropout(model, 0.25)
    assert torch.equal(model(input_ids=IDS).logits, before)


def test_what_is_dropped_follows_from_run_round_step_and_rank() -> None:
    model = model_of("llama")
    add_dropout(model, 0.1)

    def logits(*place: Any) -> torch.Tensor:
        seed(*place)
        return model(input_ids=IDS).logits

    once = logits(RUN, 3, 5, 0)
    assert torch.equal(logits(RUN, 3, 5, 0), once)
    for other in ((RUN, 3, 5, 1), (RUN, 3, 6, 0), (RUN, 4, 5, 0), (RunId("test-bbbbbb"), 3, 5, 0)):
        assert not torch.equal(logits(*other), once)


def test_layers_computed_again_drop_the_same() -> None:
    gradients = []
    for again in (False, True):
        model = model_of("llama")
        add_dropout(model, 0.1)
        if again:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        seed(RUN, 1, 1, 0)
        model(input_ids=IDS).logits.square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("lora", [None, 3])
def test_a_round_broken_off_and_taken_up_again_ends_in_the_same_bytes(lora: int | None, tmp_path: Path) -> None:
    room = make_room(tmp_path / "room", lora=lora, dropout=0.1, label_smoothing=0.1, steps=200)
    with Trainer(tmp_path / "whole") as trainer:
        trainer.ask(room.open_words("whole", engine="torch"))
        whole = trainer.ask(room.train_words(out="whole"))
    with Trainer(tmp_path / "first") as trainer:
        trainer.ask(room.open_words("broken", engine="torch"))
        trainer.tell(room.train_words(out="broken"))
        _until_some_steps(trainer, room)
        assert trainer.close() == [0]
    with Trainer(tmp_path / "second") as trainer:
        trainer.ask(room.open_words("broken", engine="torch"))
        broken = trainer.ask(room.train_words(out="broken"))
    assert broken["digest"] == whole["digest"]
    assert broken["metrics"]["loss"] == whole["metrics"]["loss"]


def _until_some_steps(trainer: Trainer, room: Room) -> None:
    assert 0 < trainer.until("progress")["step"] < (room.job.steps or 0), (
        "too quick to be broken off: give it more steps"
    )


def _outputs(model: nn.Module) -> list[torch.Tensor]:
    """What the embeddings and the branches give, in their order, each after its own hooks."""
    found: list[torch.Tensor] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        found.append(output[0] if isinstance(output, tuple) else output)

    inner: Any = model
    handles = [part.register_forward_hook(note) for part in (inner.get_input_embeddings(), *branches(model))]
    model(input_ids=IDS)
    for handle in handles:
        handle.remove()
    return found
