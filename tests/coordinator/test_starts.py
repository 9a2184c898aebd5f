"""What a run starts from: a model of the hub, or a smaller one cut from a larger. The real federation child."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.blobs import digest_of
from shared.models import check, travelling
from shared.models.fresh import make_size
from shared.models.weights import read, stored
from tests.coordinator.federation_child import FederationChild, spec
from tests.shared.families import make_folder
from tests.shared.hub import PINNED, fill_cache

FULL = {"kind": "full"}


def test_a_run_of_a_hubs_model_names_the_commit_and_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model"
    model.mkdir()
    make_size("potluck-tiny", model)
    fill_cache(tmp_path / "hub", model)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with FederationChild(tmp_path) as child:
        job, _ = child.prepare(spec(FULL, model=PINNED))
    assert job.base == PINNED
    assert job.files == {name: digest_of(path) for name, path in travelling(model).items()}


def test_a_run_may_start_from_a_part_of_a_larger_model(tmp_path: Path) -> None:
    large = make_folder(tmp_path / "large", "llama", tied=True)
    small = make_folder(tmp_path / "small", "llama", tied=True, num_hidden_layers=1)
    words = spec(FULL, model="small/config.json", warm_start="large")
    with FederationChild(tmp_path) as child:
        job, ready = child.prepare(words)
        values = child.load(job, ready["model"])
    assert {tensor.name: tensor.shape for tensor in job.tensors} == {n: t.shape for n, t in stored(small).items()}
    assert job.base == "small/config.json started from large"
    for name, place in stored(large).items():
        assert name not in values or np.array_equal(values[name], read(place)), name


def test_a_larger_model_cannot_start_from_a_smaller_one(tmp_path: Path) -> None:
    make_folder(tmp_path / "large", "llama", num_hidden_layers=1)
    check(make_folder(tmp_path / "small", "llama"))
    with FederationChild(tmp_path) as child:
        answer = child.ask("prepare", run="tiny-a1b2c3", folder=str(tmp_path), spec=spec(
            FULL, model="small/config.json", warm_start="large"
        ))  # fmt: skip
    assert answer["fact"] == "failed"
    assert "2 layers cannot start from one of 1" in answer["sentence"]
