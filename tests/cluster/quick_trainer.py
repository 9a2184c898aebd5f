"""The trivial trainer with updates a real coordinator accepts: the run's own tensors, filled with small noise.

The noise depends on the home, the round and the steps done, so the same work gives the same bytes. The levers (`hold`
and the like) lie in the node's home, where they can be put before the run has a name.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from shared import job as job_
from shared.blobs import digest_of
from shared.codec import safe
from shared.codec.bf16 import Float32
from shared.ids import NodeId
from tests.node import trivial_trainer
from tests.node.trivial_trainer import Words

SIZE = 1e-3  # of the noise


def node_home(work: Path) -> Path:
    """`home/runs/RUN/work` -> `home`."""
    return work.parents[2]


def noise(words: Words, done: int, out: Path) -> None:
    """One update of the job this trainer was opened with, in its codec."""
    assert digest_of(Path(words["model"])) == words["model_digest"], "the agent promises the bytes it names"
    job = job_.parse(Path(words["job"]).read_bytes())
    seed = hashlib.sha256(f"{out.parent} {words['round']} {done}".encode()).digest()
    draw = np.random.default_rng(int.from_bytes(seed[:8], "big"))

    def tensors() -> Iterator[tuple[str, Float32]]:
        for spec in job.tensors:
            yield spec.name, (SIZE * draw.standard_normal(spec.shape)).astype(np.float32)

    made_by = safe.Origin(NodeId(words["node"]), job.run, words["round"])
    safe.write(out, tensors(), safe.layout(job.tensors, job.codec, made_by.metadata))


if __name__ == "__main__":
    sys.exit(trivial_trainer.main(noise, node_home))
