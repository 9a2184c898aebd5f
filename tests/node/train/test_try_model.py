"""Base and tuned side by side, from an adapter's folder or from a whole model's."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

from node.train.try_model import answers, show
from shared.errors import OwnerMustAct
from shared.models import Recipe, materialise, merge_adapter, trainables
from shared.result import adapter_config

LORA: Recipe = {"kind": "lora", "rank": 4}
# peft 0.21.2 asks transformers 5.24.0 by a name that is going out of use
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return materialise("potluck-tiny", ".", tmp_path)


@pytest.fixture
def adapter(tiny: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    chance = np.random.default_rng(7)
    specs = trainables(json.loads((tiny / "config.json").read_bytes()), LORA)
    tensors = {spec.name: torch.from_numpy(chance.normal(0, 0.3, spec.shape).astype(np.float32)) for spec in specs}
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(adapter_config(4, 8, tensors, "tiny")))
    return folder


def test_an_adapter_and_its_merged_model_say_the_same_and_not_what_the_base_says(
    tiny: Path, adapter: Path, tmp_path: Path
) -> None:
    base, tuned = answers(tiny, adapter, "Guten Tag", 12)
    merged = merge_adapter(tiny, adapter, tmp_path / "merged")
    again, whole = answers(tiny, merged, "Guten Tag", 12)
    assert base.text == again.text
    assert tuned.text == whole.text
    assert base.text != tuned.text


def test_a_person_sees_both(tiny: Path, adapter: Path) -> None:
    out = io.StringIO()
    base, tuned = answers(tiny, adapter, "Guten Tag", 4)
    show(Console(file=out, width=100), "Guten Tag", base, tuned)
    assert all(word in out.getvalue() for word in ("Guten Tag", "base", "tuned", "4 tokens"))


def test_a_model_without_a_chat_template_says_so(tiny: Path) -> None:
    with pytest.raises(OwnerMustAct, match="no chat template"):
        answers(tiny, tiny, "Hi", 4, chat=True)


def test_a_pickled_adapter_is_not_opened(tiny: Path, adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(OwnerMustAct, match=r"no adapter_model\.safetensors"):
        answers(tiny, adapter, "Hi", 4)
