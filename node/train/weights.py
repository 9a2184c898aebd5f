"""Trainables between files and engines, one tensor at a time: memory grows by the largest tensor, not by the model."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from node.train.engine import Weights
from shared.codec import safe
from shared.ids import Digest
from shared.job import Codec, Job


def read(path: Path, job: Job) -> Iterator[tuple[str, Weights]]:
    """The fp32 tensors of a `model` file, checked first. Raises Refused when the file is not what the job says.

    Each is mapped into memory while somebody holds it: a rank that wants a part of it reads that part only.
    """
    where = safe.check(path, job.tensors, "fp32")
    for spec, start in zip(where.tensors, where.starts, strict=True):
        at = len(where.header) + start * where.item
        empty = not math.prod(spec.shape)  # nothing cannot be mapped
        mapped = np.empty(spec.shape, np.float32) if empty else np.memmap(path, "<f4", "c", at, spec.shape)
        yield spec.name, np.asarray(mapped)


def write(
    path: Path, job: Job, codec: Codec, tensors: Iterable[tuple[str, Weights]], made_by: safe.Origin | None = None
) -> Digest:
    """Write fp32 tensors, given in name order, in the job's canonical layout; returns the file's digest.

    An update says who made it.
    """
    return safe.write(path, tensors, safe.layout(job.tensors, codec, made_by.metadata if made_by else None))


def differences(before: Path, after: Iterable[tuple[str, Weights]], job: Job) -> Iterator[tuple[str, Weights]]:
    """after - before, in fp32, tensor by tensor."""
    for (name, old), (same, new) in zip(read(before, job), after, strict=True):
        assert name == same, (name, same)
        yield name, new - old


def digest_array(digest: Digest) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """A digest as Flower carries it: uint8[32]."""
    return np.frombuffer(bytes.fromhex(digest), np.uint8).copy()


def array_digest(array: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Digest:
    return Digest(array.astype(np.uint8).tobytes().hex())


def text_digest(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


def take_part(tensors: Iterable[tuple[str, Weights]]) -> None:
    """Ranks other than 0: be there while rank 0 reads the weights."""
    for _ in tensors:
        pass
