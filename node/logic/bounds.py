"""How large a file from the host may be, by what the run says of it. Pure.

A digest says nothing of a size: without a bound, one lie of the host would fill a friend's disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from node.logic.state import State
from shared.codec.layout import layout
from shared.ids import Digest
from shared.job import Codec, Job, TensorSpec

MAX_SMALL = 64 << 20  # bytes of a configuration or a tokenizer; the largest known tokenizer.json has 35 MB
MAX_WEIGHTS = 64 << 30  # bytes of one file of base weights: sixteen billion float32
_WEIGHTS = ".safetensors"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a file is, and the bytes it has at most (`exact`: has)."""

    what: str
    bytes: int
    exact: bool = False


JOB = Bound("the run's description", 16 << 20)  # shared/job.py reads no longer one


def of_model(job: Job) -> Bound:
    return Bound("the model", _size(job.tensors, "fp32"), exact=True)


def of_delta(job: Job) -> Bound:
    return Bound("the step to the next model", _size(job.tensors, job.codec), exact=True)


def of_file(name: str) -> Bound:
    """A file of the base model."""
    return Bound(f"the base model's {name}", MAX_WEIGHTS if name.endswith(_WEIGHTS) else MAX_SMALL)


def of(state: State, digest: Digest) -> Bound:
    """Of a file that a duty names."""
    for duty in state.duties:
        job = state.jobs.get(duty.job)
        if job is None:
            continue
        if digest == duty.model:
            return of_model(job)
        if digest == duty.delta:
            return of_delta(job)
        for name, file in job.files.items():
            if digest == file:
                return of_file(name)
    return JOB


def of_run(job: Job, model: Digest) -> dict[Digest, Bound]:
    """Of everything needed to use that model of the run."""
    return {model: of_model(job)} | {file: of_file(name) for name, file in job.files.items()}


@cache
def _size(tensors: tuple[TensorSpec, ...], codec: Codec) -> int:
    return layout(tensors, codec).size
