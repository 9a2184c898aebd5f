"""A job's description: canonical, and refused when anything in it is not ours."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import PeerMisbehaved
from shared.ids import Digest, RunId
from shared.job import Job, TensorSpec, dump, parse

JOB = Job(
    run=RunId("demo-abc123"), name="demo", rounds=2, base="smollm2-135m", files={"config.json": Digest("a" * 64)},
    lora=4, lora_alpha=8, tensors=(TensorSpec("a", (2, 3)), TensorSpec("b", (4,))), sequence=64, batch=128,
    steps=4, seconds=None, lr=1e-3, schedule="cosine",
    warmup=0.1, betas=(0.9, 0.95), weight_decay=0.1, clip=1.0, update="difference", codec="bf16",
)  # fmt: skip


def test_what_is_written_is_read_back() -> None:
    assert parse(dump(JOB)) == JOB
    assert dump(parse(dump(JOB))) == dump(JOB)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"rounds": 0}, "rounds"),
        ({"steps": None}, "steps or seconds"),
        ({"seconds": 3.0}, "steps or seconds"),
        ({"tensors": [{"name": "b", "shape": [1]}, {"name": "a", "shape": [1]}]}, "order"),
        ({"tensors": [{"name": "a", "shape": [0]}]}, "shape"),
        ({"files": {"../evil": "a" * 64}}, "file name"),
        ({"files": {"config.json": "../../x"}}, "digest"),
        ({"codec": "pickle"}, "update"),
        ({"mods": ["os.system('x')"]}, "cannot be read"),
        ({"mods": [{"name": "os.system", "parameters": {}}]}, "mod"),
        ({"mods": [{"name": "fixedclipping_mod", "parameters": {"norm": 1.0}}]}, "mod"),
        ({"mods": [{"name": "LocalDpMod", "parameters": {}}]}, "mod"),
        ({"command": "rm -rf"}, "unknown entries"),
        ({"lr": "fast"}, "cannot be read"),
        ({"lr": float("nan")}, "schedule"),
        ({"run": "../../Documents"}, "name of the run"),
        ({"run": 7}, "cannot be read"),
        ({"base": 7}, "cannot be read"),
        ({"base": "\x1b[2J"}, "base model"),
        ({"name": ["x"]}, "cannot be read"),
        ({"rounds": 2.5}, "cannot be read"),
        ({"lora": True}, "cannot be read"),
        ({"evaluate": "yes"}, "cannot be read"),
        ({"tensors": [{"name": "a", "shape": [2] * 9}]}, "shape"),
        ({"tensors": [{"name": "a", "shape": [float("inf")]}]}, "cannot be read"),
        ({"files": []}, "cannot be read"),
        ({"betas": []}, "cannot be read"),
    ],
)
def test_a_description_that_breaks_a_rule_is_refused_in_words(change: dict[str, Any], word: str) -> None:
    raw = json.loads(dump(JOB)) | change
    with pytest.raises(PeerMisbehaved, match=word):
        parse(json.dumps(raw).encode())


def test_rubbish_is_refused() -> None:
    for data in (b"", b"[]", b"\xff\xfe", b"[" * 100_000, b"{}"):
        with pytest.raises(PeerMisbehaved):
            parse(data)


def test_a_shape_that_no_tensor_has_costs_no_arithmetic() -> None:
    raw = json.loads(dump(JOB)) | {"tensors": [{"name": "a", "shape": [(1 << 31) - 1] * 300_000}]}
    data = json.dumps(raw).encode()
    began = time.monotonic()
    with pytest.raises(PeerMisbehaved, match="shape"):
        parse(data)
    assert time.monotonic() - began < 2.0, "multiplied out, these are nine million bits: half a minute for the agent"


def test_equal_jobs_have_equal_bytes() -> None:
    assert dump(replace(JOB, files=dict(JOB.files))) == dump(JOB)
