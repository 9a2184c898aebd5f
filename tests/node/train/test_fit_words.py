"""What a fit means: words that do not go together, DeepSpeed's configuration, and life without a compiler."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.logic.fit import Fit
from node.train.engine import extensions
from node.train.engine.deepspeed_config import configuration
from node.train.job import deal, parse_fit
from shared.errors import OwnerMustAct
from shared.job import TensorSpec
from tests.node.train.room import make_job

JOB = make_job((TensorSpec("a", (1,)),), None)
CLASHES: list[tuple[dict[str, Any], str]] = [
    ({"engine": "torch", "zero": 2}, "no ZeRO stages"),
    ({"engine": "torch", "offload": "optimizer"}, "needs the deepspeed engine"),
    ({"zero": 0, "offload": "optimizer"}, "needs the deepspeed engine"),
    ({"zero": 2, "offload": "parameters"}, "needs ZeRO-3"),
    ({"offload": "disk"}, "needs a folder"),
    ({"offload": "optimizer", "optimizer": "adamw8bit"}, "no 8-bit AdamW in main memory"),
    ({"base": "nf4", "zero": 3}, "use stage 2"),
]


def words(fit: Fit, precision: str = "bf16", **card: bool) -> dict[str, Any]:
    there = {"on_card": True, "pinned": True} | card
    return configuration(JOB, fit, deal(JOB, fit, 2, on_card=True), precision, **there)


@pytest.mark.parametrize(("fit", "complaint"), CLASHES, ids=[complaint for _, complaint in CLASHES])
def test_what_does_not_go_together_is_told(fit: dict[str, Any], complaint: str) -> None:
    with pytest.raises(OwnerMustAct, match=complaint):
        parse_fit(fit)


def test_a_quantised_base_is_for_adapters_only() -> None:
    assert parse_fit({"base": "nf4"}, lora=True).base == "nf4"
    with pytest.raises(OwnerMustAct, match="trains all weights"):
        parse_fit({"base": "nf4"}, lora=False)


def test_offload_without_a_stage_splits_everything() -> None:
    assert parse_fit({"offload": "optimizer"}).zero == 3


def test_fp16_scales_its_loss_by_itself() -> None:
    half = words(Fit(zero=2), "fp16")
    assert half["fp16"]["enabled"]
    assert half["fp16"]["loss_scale"] == 0  # dynamic
    assert not half["bf16"]["enabled"]
    assert not any(words(Fit(zero=2), "fp32")[name]["enabled"] for name in ("fp16", "bf16"))


def test_offload_says_what_lies_where() -> None:
    optimizer = words(Fit(zero=3, offload="optimizer"))["zero_optimization"]
    assert optimizer["offload_optimizer"] == {"device": "cpu", "pin_memory": True}
    assert "offload_param" not in optimizer
    assert words(Fit(zero=3, offload="parameters"), pinned=False)["zero_optimization"]["offload_param"] == {
        "device": "cpu", "pin_memory": False,
    }  # fmt: skip
    disk = words(Fit(zero=3, offload="disk", folder="/fast"))
    assert disk["zero_optimization"]["offload_optimizer"]["device"] == "nvme"
    assert disk["zero_optimization"]["offload_optimizer"]["nvme_path"] == "/fast"
    assert disk["zero_optimization"]["offload_param"]["device"] == "cpu"
    assert disk["aio"]


def test_deepspeed_knows_every_word() -> None:
    """Also what only a card or a disk would use: an unknown key raises here, not at a friend's."""
    from deepspeed.runtime.precision_config import get_float16_config
    from deepspeed.runtime.swap_tensor.aio_config import get_aio_config
    from deepspeed.runtime.zero.config import DeepSpeedZeroConfig

    for fit in (Fit(zero=1), Fit(zero=3, offload="parameters"), Fit(zero=3, offload="disk", folder="/fast")):
        said = words(fit, "fp16")
        assert DeepSpeedZeroConfig(**said["zero_optimization"]).model_extra in (None, {})
        assert get_float16_config(said).initial_scale_power == 16
        assert get_aio_config(said)["queue_depth"] == 8


def test_only_adapters_give_up_reuse() -> None:
    adapters = configuration(
        replace(JOB, lora=4), Fit(zero=3), deal(JOB, Fit(), 1, on_card=False), "bf16", on_card=False, pinned=False
    )
    assert adapters["zero_optimization"]["stage3_max_reuse_distance"] == 0
    assert "stage3_max_reuse_distance" not in words(Fit(zero=3))["zero_optimization"]


def test_a_lock_left_by_a_killed_build_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))
    stale = tmp_path / "extensions" / "cpu_adam" / "lock"
    stale.parent.mkdir(parents=True)
    stale.touch()
    with extensions.alone() as folder:
        assert folder == tmp_path / "extensions"
        assert not stale.exists()


def test_a_lock_of_a_build_under_way_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process waits for its turn, and only then looks for stale locks."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))
    spawn = multiprocessing.get_context("spawn")
    entered = spawn.Event()
    with extensions.alone() as folder:
        under_way = folder / "cpu_adam" / "lock"
        under_way.parent.mkdir()
        under_way.touch()
        other = spawn.Process(target=enter, args=(entered,))
        other.start()
        assert not entered.wait(3)
        assert under_way.exists()
    assert entered.wait(120)
    other.join()
    assert not under_way.exists()


def enter(entered: Any) -> None:
    with extensions.alone():
        entered.set()


def test_without_a_compiler_adam_is_torchs_and_a_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))
    assert extensions.fast_adam() is None
    with pytest.raises(OwnerMustAct, match="libaio"):
        extensions.require_disk(tmp_path)
    with pytest.raises(OwnerMustAct, match="not a folder"):
        extensions.require_disk(tmp_path / "absent")
    assert not (tmp_path / "extensions").exists()
