"""What was fetched is still there when the host has gone home."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import numpy as np
import pytest

from node.result import earlier, fetch
from shared.blobs import Blobs
from shared.codec import safe
from shared.errors import OwnerMustAct
from shared.ids import RunId, runs_called
from shared.job import Job
from shared.models import folder, fresh
from shared.models.merge import merge_adapter
from shared.models.trainables import Recipe, generator, trainables
from shared.result import Place, copy, lay_out, link_or_copy
from tests.node import homes


def fetched(home: Path, run: str, kind: str, round_: int, age: float) -> None:
    folder = home / "result" / run
    (folder / kind).mkdir(parents=True)
    (folder / "base").mkdir()
    told = folder / "round.json"
    told.write_text(json.dumps({"round": round_, "rounds": 4}))
    os.utime(told, (1e9 - age, 1e9 - age))


def test_the_newest_result_is_found_without_the_host(tmp_path: Path) -> None:
    fetched(tmp_path, "monday", "adapter", 4, age=100)
    fetched(tmp_path, "tuesday", "model", 2, age=0)
    newest, named = earlier(tmp_path, ""), earlier(tmp_path, "monday")
    assert newest is not None
    assert named is not None
    assert (newest.run, newest.round, newest.adapter) == ("tuesday", 2, False)
    assert (named.run, named.tuned.name, named.adapter) == ("monday", "adapter", True)


def test_a_run_may_be_called_by_its_own_name_or_by_how_it_begins() -> None:
    known = ["notes-a1b2c3", "notes-d4e5f6", "notes-too-a7b8c9", "soup-0a1b2c"]
    assert runs_called("soup", known) == runs_called("so", known) == runs_called("soup-0a1b2c", known) == known[3:]
    assert runs_called("notes", known) == known[:2]
    assert runs_called("notes-d", known) == ["notes-d4e5f6"]
    assert runs_called("", known) == known
    assert runs_called("tea", known) == []


def test_what_was_never_fetched_is_not_found(tmp_path: Path) -> None:
    assert earlier(tmp_path, "") is None
    (tmp_path / "result" / "half").mkdir(parents=True)
    assert earlier(tmp_path, "half") is None
    assert earlier(tmp_path, "") is None


def laid_out(at: Path, recipe: Recipe, place: Place = link_or_copy) -> Path:
    """A small real model and what was trained of it, as `potluck model get` lays them out in `at`/result."""
    made = at / "made"
    made.mkdir(parents=True)
    fresh.make_size("potluck-tiny", made)
    blobs = Blobs(at / "blobs")
    files = {name: homes.keep(blobs, path.read_bytes()) for name, path in folder.travelling(made).items()}
    tensors = trainables(json.loads((made / "config.json").read_bytes()), recipe)
    job = Job(
        run=RunId("notes-k3f9qa"), name="notes", rounds=3, base="potluck-tiny", files=files, lora=recipe.get("rank"),
        lora_alpha=4, tensors=tensors, sequence=8, batch=8, steps=4, seconds=None, lr=0.1, schedule="constant",
        warmup=0.0, betas=(0.9, 0.95), weight_decay=0.0, clip=1.0, update="difference", codec="fp32",
    )  # fmt: skip
    values = [(t.name, generator(1, t.name).standard_normal(t.shape, np.float32) * np.float32(0.25)) for t in tensors]
    safe.write(blobs.root / "model", values, safe.layout(tensors, "fp32"))
    tuned = at / "result" / ("adapter" if job.lora else "model")
    lay_out(job, blobs, blobs.adopt(blobs.root / "model"), at / "result" / "base", tuned, place)
    return tuned


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_a_moved_adapter_still_loads_in_other_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from peft import AutoPeftModelForCausalLM, PeftModel
    from transformers import AutoModelForCausalLM

    laid_out(tmp_path, {"kind": "lora", "rank": 2})
    moved = tmp_path / "elsewhere" / "notes"
    moved.parent.mkdir()
    (tmp_path / "result").rename(moved)
    assert str(tmp_path) not in (moved / "adapter" / "adapter_config.json").read_text()

    def said(model: torch.nn.Module) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = model.eval()(torch.arange(8).reshape(1, 8)).logits
        return logits

    base = AutoModelForCausalLM.from_pretrained(moved / "base")
    plain = said(base)
    tuned = said(PeftModel.from_pretrained(base, moved / "adapter"))
    assert (tuned - plain).abs().max() > 0.01
    assert torch.equal(said(AutoModelForCausalLM.from_pretrained(moved / "adapter")), tuned)
    merged = merge_adapter(moved / "base", moved / "adapter", moved / "merged")
    assert torch.allclose(said(AutoModelForCausalLM.from_pretrained(merged)), tuned, atol=1e-4)
    monkeypatch.chdir(moved / "adapter")
    assert torch.equal(said(AutoPeftModelForCausalLM.from_pretrained(".")), tuned)


def test_an_adapters_folder_holds_its_base_without_a_second_copy(tmp_path: Path) -> None:
    adapter = laid_out(tmp_path, {"kind": "lora", "rank": 2})
    assert os.path.samefile(adapter / "model.safetensors", adapter.parent / "base" / "model.safetensors")
    assert (adapter / "config.json").exists()


def test_a_folder_that_is_taken_away_shares_no_bytes_with_potluck(tmp_path: Path) -> None:
    linked = laid_out(tmp_path / "linked", {"kind": "full"})
    assert os.stat(linked.parent / "base" / "model.safetensors").st_nlink > 1
    copied = laid_out(tmp_path / "copied", {"kind": "full"}, copy)
    for file in (*copied.iterdir(), *(copied.parent / "base").iterdir()):
        assert os.stat(file).st_nlink == 1, file


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(OwnerMustAct, match="has other things in it"):
        asyncio.run(fetch(tmp_path / "node", "", tmp_path / "thesis", lambda share, words: None))
