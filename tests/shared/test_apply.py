"""base + delta = model, alike everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shared.blobs import digest_of
from shared.errors import Refused
from shared.ids import RunId
from shared.job import Codec, Job, dump
from shared.maths.apply import add_delta
from tests.shared.tensors import SMALL, draw, load, save


def a_job(codec: Codec) -> Job:
    return Job(
        run=RunId("run-abc123"), name="run", rounds=2, base="tiny", files={}, lora=None, lora_alpha=0, tensors=SMALL,
        sequence=8, batch=8, steps=1, seconds=None, lr=1e-3, schedule="cosine", warmup=0.1, betas=(0.9, 0.95),
        weight_decay=0.1, clip=1.0, update="difference", codec=codec,
    )  # fmt: skip


def test_the_sum_is_a_float32_sum_of_what_was_sent(tmp_path: Path) -> None:
    base, delta = draw(SMALL, 1), draw(SMALL, 2, 0.01)
    save(tmp_path / "base", base)
    save(tmp_path / "delta", delta, "bf16")
    digest = add_delta(tmp_path / "base", tmp_path / "delta", tmp_path / "out", SMALL, "bf16")
    assert digest == digest_of(tmp_path / "out")
    sent, model = load(tmp_path / "delta", SMALL, "bf16"), load(tmp_path / "out", SMALL)
    assert all((model[name] == base[name] + sent[name]).all() for name in base)


def test_a_process_that_may_not_import_numpy_can_ask_for_it(tmp_path: Path) -> None:
    save(tmp_path / "base", draw(SMALL, 1))
    save(tmp_path / "delta", draw(SMALL, 2), "bf16")
    (tmp_path / "job.json").write_bytes(dump(a_job("bf16")))
    answer = command(tmp_path / "base", tmp_path / "delta", tmp_path / "out", tmp_path / "job.json")
    assert answer == {"fact": "applied", "digest": digest_of(tmp_path / "out")}


def test_a_delta_of_another_run_is_refused_in_words(tmp_path: Path) -> None:
    save(tmp_path / "base", draw(SMALL, 1))
    save(tmp_path / "delta", draw(SMALL[:2], 2), "bf16")
    with pytest.raises(Refused, match=r"lacks c\.weight"):
        add_delta(tmp_path / "base", tmp_path / "delta", tmp_path / "out", SMALL, "bf16")
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_a_sentence_too(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_bytes(dump(a_job("bf16")))
    answer = command(tmp_path / "base", tmp_path / "delta", tmp_path / "out", tmp_path / "job.json")
    assert answer["fact"] == "failed"
    assert "base" in answer["sentence"]


def test_rounding_never_drifts_between_two_who_apply(tmp_path: Path) -> None:
    save(tmp_path / "here", draw(SMALL, 1))
    save(tmp_path / "there", draw(SMALL, 1))
    for round_ in range(5):
        save(tmp_path / "delta", draw(SMALL, 10 + round_, 0.1), "bf16")
        both = (tmp_path / "here", tmp_path / "there")
        digests = {add_delta(model, tmp_path / "delta", model, SMALL, "bf16") for model in both}
        assert len(digests) == 1
    assert np.isfinite(load(tmp_path / "here", SMALL)["a.weight"]).all()


def command(*arguments: Path) -> dict[str, str]:
    words = [sys.executable, "-m", "shared.maths.apply", *map(str, arguments)]
    out = subprocess.run(words, capture_output=True, text=True, check=False)
    answer: dict[str, str] = json.loads(out.stdout)
    assert (out.returncode == 0) == (answer["fact"] == "applied"), out.stderr
    return answer
