"""Is what came an update of this run? Its tensors, their values, and how far they move the model."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from coordinator.logic import claims
from shared.blobs import Blobs
from shared.codec import safe
from shared.errors import Refused
from shared.ids import Digest
from shared.job import Codec, Job


def refuses(blobs: Blobs, digest: Digest, job: Job, base: Digest, max_norm: float | None, made_by: safe.Origin) -> str:
    """Why the update is not used, or an empty string: it must be the sender's own (`made_by`), hold exactly the run's
    tensors, all of them finite, and move the model (`base`) by no more than the host allows. Reads the whole file."""
    path = blobs.path(digest)
    try:
        where = safe.check(path, job.tensors, codec_of(job), made_by)
        norm = safe.finite(path, where)
    except Refused as refused:
        return refused.sentence
    if max_norm is not None and job.update == "weights":
        norm = _distance(path, where, blobs.require(base), safe.layout(job.tensors, "fp32"))
    return claims.too_large(norm, max_norm)


def codec_of(job: Job) -> Codec:
    """How an update of this job is encoded: whole weights are never rounded."""
    return job.codec if job.update == "difference" else "fp32"


def values(blobs: Blobs, job: Job) -> int:
    """How many values the base model has; fewer than that, where its files are in 16 bits."""
    weights = [digest for name, digest in job.files.items() if name.endswith(".safetensors")]
    return sum(blobs.size(digest) for digest in weights if blobs.has(digest)) // 4


def _distance(path: Path, where: safe.Layout, base: Path, there: safe.Layout) -> float:
    """The L2 norm of what training changed, where whole weights come; one tensor of each in memory."""
    squares = 0.0
    for (_, new), (_, old) in zip(safe.read(path, where), safe.read(base, there), strict=True):
        new -= old
        squares += float(np.vdot(new, new))
    return math.sqrt(squares)
