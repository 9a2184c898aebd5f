"""Makes a model and a job, starts the two ranks of two_ranks.py on them, and brings what rank 0 measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from shared.job import dump
from shared.models import initial, materialise, trainables
from shared.models.trainables import Recipe
from tests.node.train.room import Room, make_job

FULL: Recipe = {"kind": "full"}
PATIENCE = 1800.0  # seconds


def run_two(folder: Path, model: str, what: str, sequence: int, batch: int) -> dict[str, Any]:
    """{"seconds": {act: one figure a turn}, "parameters": number}"""
    base = materialise(model, str(folder), Path(os.environ["POTLUCK_CACHE"]))
    (folder / "base").symlink_to(base)
    tensors = trainables(json.loads((base / "config.json").read_text()), FULL)
    job = make_job(tensors, None, sequence=sequence, batch=batch, lr=1e-4)
    (folder / "job.json").write_bytes(dump(job))
    Room(folder, base, folder, job).write(folder / "model.safetensors", dict(initial(base, FULL, tensors, seed=1)))
    environment = {
        **os.environ, "DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    ranks = []
    for rank in range(2):
        with open(folder / f"log-{rank}", "wb") as log:
            words = [sys.executable, "-m", "tests.benchmarks.two_ranks", str(rank), str(folder), what]
            ranks.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True, env=environment))
    try:
        out, codes = ranks[0].communicate(timeout=PATIENCE)[0], [process.wait(timeout=60) for process in ranks]
    finally:
        for process in ranks:
            process.kill()
            process.communicate()
    assert codes == [0, 0], (folder / "log-0").read_text()[-3000:] + (folder / "log-1").read_text()[-3000:]
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found
