"""A smaller model that starts from a larger one: which parts stay, and that it starts better than one drawn anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from node.train.first_loss import first_losses
from shared.errors import OwnerMustAct
from shared.models import check, warm_start
from shared.models.warm import evenly, shrink, smaller
from shared.models.weights import read, stored
from tests.shared.families import make_folder

TEXT = "".join(f"Ana cooks {n} plums and {n} pears; Bo eats {n} plums. Nobody knows why.\n" for n in range(100, 400))


def sizes(folder: Path, **changes: int) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    return {**config, **changes}


def save(config: dict[str, Any], file: Path) -> Path:
    file.write_text(json.dumps(config))
    return file


def test_layers_are_picked_evenly() -> None:
    assert [evenly(24, 12), evenly(4, 3), evenly(5, 1), evenly(3, 3)] == [
        [0, 2, 4, 6, 8, 10, 13, 15, 17, 19, 21, 23], [0, 2, 3], [0], [0, 1, 2]
    ]  # fmt: skip


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", ["llama", "llama with biases", "qwen2", "qwen3 with biases"])
def test_the_same_sizes_give_the_same_model(kind: str, tied: bool, tmp_path: Path) -> None:
    large = make_folder(tmp_path / "large", kind, tied=tied)
    (tmp_path / "same").mkdir()
    shrink(large, sizes(large), tmp_path / "same")
    ids = torch.arange(3, 40)[None]
    ours, theirs = (AutoModelForCausalLM.from_pretrained(tmp_path / name)(ids).logits for name in ("same", "large"))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("kind", ["llama", "llama with biases", "qwen2", "qwen3 with biases"])
def test_every_width_and_the_layers_can_be_fewer(kind: str, tmp_path: Path) -> None:
    large = make_folder(tmp_path / "large", kind)
    wanted = sizes(
        large, hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        head_dim=4,
    )  # fmt: skip
    (tmp_path / "small").mkdir()
    shrink(large, wanted, tmp_path / "small")
    check(tmp_path / "small")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "small")(torch.arange(3, 40)[None]).logits.isfinite().all()


def test_what_stays_of_a_matrix_is_a_part_of_the_old_one(tmp_path: Path) -> None:
    large = make_folder(tmp_path / "large", "llama")
    (tmp_path / "small").mkdir()
    shrink(
        large,
        sizes(large, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=6),
        tmp_path / "small",
    )
    old, new = (read(stored(tmp_path / name)["model.layers.0.self_attn.q_proj.weight"]) for name in ("large", "small"))
    assert np.array_equal(new, old[[*range(6), *range(18, 24)]])


def test_fewer_words_are_the_first_words(tmp_path: Path) -> None:
    """With a tokenizer that has as many of them; one of bytes cannot be cut."""
    large = make_folder(tmp_path / "large", "llama")
    (tmp_path / "small").mkdir()
    with pytest.raises(OwnerMustAct, match="could not spell"):
        shrink(large, sizes(large, vocab_size=200), tmp_path / "small")


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"num_hidden_layers": 3}, "3 layers cannot start from one of 2"), ({"hidden_size": 48}, "48 hidden units")],
)
def test_a_larger_model_does_not_start_from_a_smaller_one(changes: dict[str, int], words: str, tmp_path: Path) -> None:
    config = sizes(make_folder(tmp_path, "llama"))
    with pytest.raises(OwnerMustAct, match=words):
        smaller(config, {**config, **changes})


def test_other_kinds_are_not_cut(tmp_path: Path) -> None:
    config = sizes(make_folder(tmp_path, "gpt-neox"))
    with pytest.raises(OwnerMustAct, match="Only Llama"):
        smaller(config, config)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama that has learnt TEXT."""
    folder = make_folder(
        tmp_path_factory.mktemp("trained"), "llama", tied=True, hidden_size=64, intermediate_size=128,
        num_hidden_layers=4,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(folder)
    from shared.models.folder import tokenizer

    ids = torch.tensor(tokenizer(folder / "tokenizer.json").encode(TEXT).ids)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    draw = torch.Generator().manual_seed(1)
    for _ in range(120):
        starts = torch.randint(0, len(ids) - 65, (16,), generator=draw)
        rows = torch.stack([ids[at : at + 64] for at in starts.tolist()])
        model(rows, labels=rows).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_warm_start_begins_with_a_lower_loss_than_a_fresh_one(trained: Path, tmp_path: Path) -> None:
    wanted = sizes(trained, hidden_size=48, intermediate_size=96, num_hidden_layers=3)
    wanted["head_dim"] = 16
    small = warm_start(str(save(wanted, tmp_path / "small.json")), str(trained), ".", tmp_path / "cache")
    again = warm_start(str(tmp_path / "small.json"), str(trained), ".", tmp_path / "cache")
    anew, warm, large, tokens = first_losses(small, trained, TEXT)
    assert again == small
    assert tokens == 8191
    print(anew, warm, large)
    assert large < warm < anew - 0.5


@pytest.mark.slow
def test_the_command_shows_the_loss_at_step_0(trained: Path, tmp_path: Path) -> None:
    save(sizes(trained, num_hidden_layers=3), tmp_path / "small.json")
    (tmp_path / "text.txt").write_text(TEXT)
    words = ["shrink", str(trained), str(tmp_path / "small.json"), "--to", str(tmp_path / "small")]
    done = subprocess.run(
        [sys.executable, "-m", "node.model_cli", *words, "--text", str(tmp_path / "text.txt")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Loss at step 0, in nats a token, on 8,191 tokens of text.txt" in done.stdout
    assert [line.split("  ")[1] for line in done.stdout.splitlines()[2:5]] == [
        "drawn anew", "warm-started", "the larger model"
    ]  # fmt: skip
    assert check(tmp_path / "small")
