"""The head answers with losses, in chunks, and it is plain cross-entropy all the same, in every family."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from torch.utils._python_dispatch import TorchDispatchMode

from node.train.engine import MicroBatch
from node.train.engine import loss as loss_module
from node.train.engine.loss import token_losses
from tests.node.train.families import CONFIGS, WORDS, model_of

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
CPU = torch.device("cpu")
ROWS, LENGTH = 3, 24


@pytest.fixture(params=["plain", "chunks"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "chunks":
        monkeypatch.setattr(loss_module, "KEPT", 7 * WORDS)  # 72 rows make ten chunks and a rest


def batch() -> MicroBatch:
    """The last row is padding."""
    ids = torch.randint(0, WORDS, (ROWS, LENGTH + 1), generator=torch.Generator().manual_seed(1))
    return MicroBatch(ids, ROWS - 1)


def plain(model: Any, given: MicroBatch, smoothing: float) -> torch.Tensor:
    wanted = given.ids[:, 1:].clone()
    wanted[given.real :] = -100
    logits = model(input_ids=given.ids[:, :-1]).logits.flatten(0, 1).float()
    return functional.cross_entropy(logits, wanted.flatten(), reduction="none", label_smoothing=smoothing)


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("family", CONFIGS)
def test_losses_and_gradients_are_those_of_plain_cross_entropy(family: str, smoothing: float) -> None:
    model, given = model_of(family), batch()
    expected = plain(model, given, smoothing)
    wanted = gradients(model, expected.sum())
    found = token_losses(model, given, CPU, smoothing)
    torch.testing.assert_close(found.trained.flatten(), expected)
    torch.testing.assert_close(found.nats.flatten(), plain(model, given, 0.0))
    assert not found.trained[-1].any()
    torch.testing.assert_close(gradients(model, found.trained.sum()), wanted)


@pytest.mark.usefixtures("_way")
def test_an_adapter_under_autocast_with_recomputed_layers_learns_the_same() -> None:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(model_of("qwen2"), LoraConfig(r=4, target_modules=["q_proj", "lm_head"]))
    torch.nn.init.normal_(model.base_model.model.lm_head.lora_B.default.weight)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()
    given = batch()
    with torch.autocast("cpu", torch.bfloat16):
        wanted = gradients(model, plain(model, given, 0.1).sum())
        found = gradients(model, token_losses(model, given, CPU, 0.1).trained.sum())
    assert len(found) == 6
    torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.05)


def test_the_model_is_left_as_it_was() -> None:
    model, given = model_of("llama"), batch()
    keys = list(model.state_dict())
    token_losses(model, given, CPU)
    assert model(input_ids=given.ids).logits.shape == (ROWS, LENGTH + 1, WORDS)
    assert list(model.state_dict()) == keys
    assert "forward" not in vars(model.lm_head)


class Largest(TorchDispatchMode):  # type: ignore[misc]
    """Remembers the largest result of any operation."""

    def __init__(self) -> None:
        super().__init__()
        self.values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.values = max(self.values, tensor.numel())
        return result


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_there_are_never_more_logits_than_a_chunk_has(smoothing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on the way forth nor on the way back; nor are they kept in between."""
    model = model_of("llama")
    ids = torch.randint(0, WORDS, (4, 65))  # 256 rows
    most = 64 * WORDS  # a little more than an MLP's hidden values, 256 x 48
    monkeypatch.setattr(loss_module, "KEPT", most)
    kept = [0]

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), Largest() as largest:
        token_losses(model, MicroBatch(ids, 4), CPU, smoothing).trained.sum().backward()
    assert largest.values <= most
    assert 0 < max(kept) <= most
