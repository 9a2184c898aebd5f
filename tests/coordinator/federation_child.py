"""The real child process, driven over pipes, and a small run for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from shared.blobs import Blobs
from shared.codec import safe
from shared.ids import Digest, NodeId, RunId, node_id
from shared.job import Job, parse
from tests.shared.tensors import Values, draw

Words = dict[str, Any]
RUN = RunId("tiny-abc123")
PATIENCE = 60  # seconds for one answer, on a busy machine


def friend(number: int) -> NodeId:
    return node_id(f"key {number}".encode())


def spec(recipe: Words | None = None, strategy: Words | None = None, **changes: object) -> Words:
    """A checked run file."""
    return {
        "run": "tiny", "model": "potluck-tiny", "recipe": recipe or {"kind": "lora", "rank": 2, "alpha": 4},
        "rounds": 3, "steps": 2, "seconds": None, "sequence": 16, "batch": 32, "lr": 1e-3, "schedule": "cosine",
        "warmup": 0.1, "betas": [0.9, 0.95], "weight_decay": 0.1, "clip": 1.0, "codec": "bf16", "quorum": 2,
        "evaluate": True, "evaluate_tokens": 64, "deadline_seconds": None, "mods": [],
        "strategy": strategy or {"name": "DiLoCo", "parameters": {}}, **changes,
    }  # fmt: skip


class FederationChild:
    """`python -m coordinator.federation` on a home folder; killed when the test leaves it."""

    def __init__(self, home: Path, patience: float = PATIENCE) -> None:
        self.home, self.blobs, self._patience = home, Blobs(home / "blobs"), patience
        self._log = open(home / "log", "ab")  # noqa: SIM115  closed on exit
        words = ["--blobs", home / "blobs", "--work", home / "work", "--cache", home / "cache"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coordinator.federation", *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env={**os.environ},
        )  # fmt: skip

    def __enter__(self) -> FederationChild:
        return self

    def tell(self, op: str, **words: object) -> None:
        assert self.process.stdin is not None
        print(json.dumps({"op": op, **words}), file=self.process.stdin, flush=True)

    def ask(self, op: str, **words: object) -> Words:
        """One request, its answer."""
        assert self.process.stdout is not None
        self.tell(op, **words)
        deadline = threading.Timer(self._patience, self.process.kill)
        deadline.start()
        line = self.process.stdout.readline()
        deadline.cancel()
        assert line, f"the child ended: {(self.home / 'log').read_text()[-2000:]}"
        answer: Words = json.loads(line)
        return answer

    def prepare(self, run_file: Words) -> tuple[Job, Words]:
        ready = self.ask("prepare", run=RUN, spec=run_file, folder=str(self.home))
        assert ready["fact"] == "prepared", ready
        return parse(self.blobs.read(ready["job"])), ready

    def merge(self, round_: int, model: Digest, updates: list[Words], state: Digest | None = None) -> Words:
        merged = self.ask("merge", round=round_, model=model, state=state, updates=updates)
        assert merged["fact"] == "merged", merged
        return merged

    def load(self, job: Job, digest: Digest) -> Values:
        """A model blob."""
        path = self.blobs.require(digest)
        return dict(safe.read(path, safe.check(path, job.tensors, "fp32")))

    def end(self) -> int:
        """Close its standard input and wait."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE)

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self._log):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue


def update(child: FederationChild, job: Job, number: int, tokens: int = 100, **metrics: float) -> Words:
    """What friend `number` sends: a drawn difference, or drawn weights."""
    return sent(child, job, number, draw(job.tensors, number, 0.01), tokens, metrics)


def sent(
    child: FederationChild, job: Job, number: int, values: Values, tokens: int, metrics: Mapping[str, float]
) -> Words:
    path = child.home / f"update-{number}"
    digest = safe.write(path, sorted(values.items()), safe.layout(job.tensors, job.codec))
    child.blobs.adopt(path, digest)
    told = {"loss": 2.0 + number, "gradient_norm": 1.0, "tokens": tokens, **metrics}
    return {"node": friend(number), "digest": digest, "tokens": tokens, "share": 1.0, "metrics": told}


def flat(values: Values) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.concatenate([array.reshape(-1) for _, array in sorted(values.items())])
