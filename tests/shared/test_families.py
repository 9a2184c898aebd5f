"""The tensors that we say a kind of model has are those that transformers and peft write to its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from shared.models import check, materialise, merge_adapter, trainables, travelling
from shared.models.families import FAMILIES, family_of, layout_of
from shared.models.fresh import make_from_config
from shared.models.trainables import Recipe
from shared.models.weights import read, stored
from shared.result import adapter_config
from tests.shared.families import KINDS, make_folder

FULL: Recipe = {"kind": "full"}
LORA: Recipe = {"kind": "lora", "rank": 3, "alpha": 6}
# peft 0.21.2 asks transformers 5.24.0 by a name that is going out of use
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def config_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    return config


def shapes(file: Path) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in load_file(file).items()}


@pytest.mark.parametrize("tied", [False, True], ids=["head of its own", "tied head"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_full_names_and_shapes_are_those_of_the_file(kind: str, tied: bool, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", kind, tied=tied)
    config = check(folder)
    assert {spec.name: spec.shape for spec in trainables(config, FULL)} == shapes(folder / "model.safetensors")
    assert layout_of(config).context == 128
    assert materialise(str(folder), ".", tmp_path) == folder.resolve()


@pytest.mark.parametrize("kind", KINDS)
def test_the_lora_names_and_shapes_are_those_of_a_file_that_peft_writes(kind: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", kind)
    model = AutoModelForCausalLM.from_pretrained(folder)
    lora = LoraConfig(r=3, lora_alpha=6, target_modules="all-linear", task_type="CAUSAL_LM")
    get_peft_model(model, lora).save_pretrained(tmp_path / "adapter")
    ours = trainables(config_of(folder), LORA)
    assert {spec.name: spec.shape for spec in ours} == shapes(tmp_path / "adapter" / "adapter_model.safetensors")


@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_adapter_answers_as_base_and_adapter_do(kind: str, tmp_path: Path) -> None:
    base = make_folder(tmp_path / "model", kind)
    draw = np.random.default_rng(7)
    tensors = {t.name: draw.normal(0, 0.2, t.shape).astype(np.float32) for t in trainables(config_of(base), LORA)}
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    save_file({n: torch.from_numpy(v) for n, v in tensors.items()}, adapter / "adapter_model.safetensors")
    (adapter / "adapter_config.json").write_text(json.dumps(adapter_config(3, 6, tensors, str(base))))
    ids = torch.arange(3, 40)[None]
    plain = AutoModelForCausalLM.from_pretrained(base)
    before = plain(ids).logits
    theirs = PeftModel.from_pretrained(plain, adapter)(ids).logits
    merged = merge_adapter(base, adapter, tmp_path / "merged")
    torch.testing.assert_close(AutoModelForCausalLM.from_pretrained(merged)(ids).logits, theirs, rtol=0, atol=1e-4)
    assert (theirs - before).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_config_file_alone_becomes_a_model_spread_as_transformers_spreads_it(kind: str, tmp_path: Path) -> None:
    theirs = make_folder(tmp_path / "theirs", kind)
    (tmp_path / "ours").mkdir()
    make_from_config(theirs / "config.json", tmp_path / "ours")
    check(tmp_path / "ours")
    for name, place in stored(tmp_path / "ours").items():
        values = read(place)
        if values.ndim == 2:
            assert float(values.std()) == pytest.approx(0.02, rel=0.1), name
        else:
            assert set(np.unique(values)) == {float(not name.endswith("bias"))}, name


def test_tables_that_old_files_carry_along_do_no_harm(tmp_path: Path) -> None:
    """Pythia's files hold a causal mask (bool) and inverse frequencies beside the weights."""
    folder = make_folder(tmp_path, "gpt-neox")
    weights = load_file(folder / "model.safetensors")
    weights["gpt_neox.layers.0.attention.bias"] = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    weights["gpt_neox.layers.0.attention.rotary_emb.inv_freq"] = torch.ones(4)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    check(folder)
    with safe_open(travelling(folder)["model.safetensors"], "pt") as file:
        assert len(list(file.keys())) == len(weights)


def test_every_kind_is_tried_here() -> None:
    assert {model_type for model_type, _ in KINDS.values()} == FAMILIES.keys()


def test_the_same_kind_with_another_head_is_not_one_of_ours() -> None:
    assert family_of({"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}) is None
    assert family_of({"model_type": "llama", "architectures": None}) is not None
