"""Bytes that changed on this disk after they were checked: found by their digest before anything is made of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from shared.blobs import Blobs
from shared.disk import private_folder
from shared.errors import OwnerMustAct, Refused
from shared.ids import Digest
from shared.job import Job
from shared.maths.apply import add_delta

ROTTEN_UPDATE = (
    "The update was damaged on the host's disk after it had come, so it is not part of the model. "
    "Nothing is wrong with the PC that sent it."
)
_DISK = "The disk may be failing: copy what matters to another one."


def damaged(blobs: Blobs, updates: Sequence[Mapping[str, Any]]) -> list[Digest]:
    """Those of the updates whose bytes are no longer what came; they are set aside."""
    return [digest for update in updates if not _sound(blobs, digest := Digest(update["digest"]))]


def look(
    blobs: Blobs, job: Job, model: Digest, state: Digest | None, parent: Digest | None, delta: Digest | None
) -> str:
    """Read `model` and `state` whole. A damaged model is made again (parent + delta); then says so.

    Raises OwnerMustAct naming what is damaged and cannot be made again: the run goes no further with it.
    """
    if state is not None and not _sound(blobs, state):
        raise OwnerMustAct(
            f"What the strategy remembers ({state[:12]}) is damaged or gone from this PC's disk. {_DISK}"
        )
    if _sound(blobs, model):
        return ""
    if parent is not None and delta is not None and _sound(blobs, parent) and _sound(blobs, delta):
        own = private_folder(blobs.root / "spool") / f"{job.run}.{os.getpid()}.mended"
        made = add_delta(blobs.path(parent), blobs.path(delta), own, job.tensors, job.codec)
        if made == model:
            blobs.adopt(own, model)
            return (
                f"The model {model[:12]} was damaged on this PC's disk; it was made again from the one before. {_DISK}"
            )
        own.unlink()
    raise OwnerMustAct(
        f"The run's newest model ({model[:12]}) is damaged or gone from this PC's disk and cannot be made again. "
        f"The folder of the last finished round is as it was: a new run can start from it. {_DISK}"
    )


def _sound(blobs: Blobs, digest: Digest) -> bool:
    """Whether it is here and what its name says. A damaged one is set aside, so asked again it is missing."""
    if not blobs.has(digest):
        return False
    try:
        blobs.verify(digest)
    except Refused:
        return False
    return True
