"""What the doctor says of PCs nobody here owns: plain functions of what was read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from node.examining import fits
from node.examining.machine import disk, graphics, sleeping, windows
from node.home import Settings
from node.logic.fitting import Wanted
from node.logic.memory import GIB, Place
from node.probe import Card, Torch, torch_build
from node.trying import Question
from shared.blobs import Blobs
from shared.job import TensorSpec, dump
from tests.node.train.room import ODD_LLAMA, make_job

RTX = Card("RTX 4070", 12 * GIB, 11 * GIB, "580.65", bf16=True, celsius=41)
CPU, CUDA = Torch("2.13.0+cpu", None), Torch("2.13.0", "13.0")


def test_a_card_with_a_cpu_torch_is_told_what_to_install() -> None:
    card, torch = graphics([RTX], CPU, ["0x10de"])
    assert (card.fine, card.sentence) == (True, "RTX 4070, 11.0 GB of 12.0 GB free, driver 580.65")
    assert torch.fine is False
    assert torch.sentence.startswith("You have an NVIDIA card and a CPU torch (2.13.0+cpu)")
    assert "pytorch.org" in torch.sentence


def test_a_card_with_its_torch_is_fine() -> None:
    assert [(check.hop, check.fine) for check in graphics([RTX], CUDA, ["0x10de"])] == [("card", True), ("torch", True)]


def test_a_card_whose_driver_is_silent_is_named() -> None:
    card, _ = graphics([], CUDA, ["0x10de"])
    assert card.fine is False
    assert "driver does not answer" in card.sentence


def test_amd_and_intel_are_named_honestly_and_are_no_failure() -> None:
    card, torch = graphics([], CPU, ["0x1002", "0x8086", "0x1234"])
    assert (card.fine, card.sentence.split(":")[0]) == (None, "AMD and Intel graphics")
    assert torch.fine


def test_the_traps_of_windows_linux() -> None:
    assert list(windows("6.1.0-generic", Path("/home/ana"))) == []
    assert [check.fine for check in windows("5.15.167.4-microsoft-standard-WSL2", Path("/home/ana"))] == [None]
    told = list(windows("5.15.167.4-microsoft-standard-WSL2", Path("/mnt/c/Users/ana")))
    assert ".wslconfig" in told[0].sentence
    assert told[1].fine is False


def test_a_pc_that_falls_asleep_is_told() -> None:
    asleep = sleeping("'suspend'\n", "1200\n")
    assert asleep is not None
    assert "sleeps after 20 min" in asleep.sentence
    assert sleeping("'nothing'\n", "1200\n") is None
    assert sleeping("'suspend'\n", "0\n") is None


def test_the_disk_is_written_to_and_left_as_it_was(tmp_path: Path) -> None:
    check = disk(tmp_path / "node")
    assert check.fine
    assert "/s" in check.sentence
    assert list((tmp_path / "node").iterdir()) == []


def test_torch_is_read_without_importing_it() -> None:
    import torch

    assert torch_build() == Torch(torch.__version__, torch.version.cuda)


def test_the_table_shows_every_fit_and_which_is_taken() -> None:
    place = Place(on_card=True, card=11 * GIB, main=28 * GIB, world=1, dtype="bf16")
    check = fits.table("evening", Question(fits.BILLION, fits.USUAL, place, Wanted()))
    said, heading, *rows = check.sentence.splitlines()
    assert check.fine
    assert said.startswith("evening: all weights, ZeRO-2, optimizer in main memory")
    assert heading.split() == ["card", "main"]
    assert ["this PC's" in row for row in rows].count(True) == 1
    assert sum("too large" in row for row in rows) >= 3
    small = replace(place, card=2 * GIB, main=4 * GIB)
    refused = fits.table("evening", Question(fits.BILLION, fits.USUAL, small, Wanted()))
    assert refused.fine is False
    assert "needs at least" in refused.sentence


def test_the_newest_run_on_this_pc_is_the_one_asked_about(tmp_path: Path) -> None:
    usual = fits.examined(tmp_path, Settings())
    assert [check.sentence.split(":")[0] for check in usual] == ["1 B, all weights", "1 B, LoRA of rank 16"]
    blobs = Blobs(tmp_path / "blobs")
    blobs.put(b'{"a": "small file that is no job"}')
    config = blobs.put(json.dumps({**ODD_LLAMA, "vocab_size": 259}).encode())
    blobs.put(dump(make_job((TensorSpec("w", (20, 7)),), None, name="evening", files={"config.json": config})))
    (check,) = fits.examined(tmp_path, Settings(memory="8g"))
    assert check.sentence.startswith("evening: all weights, micro-batch 4, about 0.4 GB of 8.0 GB free")
