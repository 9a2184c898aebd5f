"""base + delta = model: one float32 addition a value, streamed, done alike by every node and by the coordinator.

`python -m shared.maths.apply BASE DELTA OUT JOB.json` does it for processes that may not import numpy, and prints one
JSON fact: {"fact": "applied", "digest": ...} or {"fact": "failed", "op": "apply", "sentence": ...}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.codec.safe import Buffers, Writer, check
from shared.disk import replacing
from shared.errors import PotluckError
from shared.ids import Digest
from shared.job import Codec, TensorSpec, parse


def add_delta(base: Path, delta: Path, out: Path, tensors: Sequence[TensorSpec], codec: Codec) -> Digest:
    """Write `out` (float32) and return its digest: the same everywhere for the same inputs.

    Raises Refused when `base` (float32) or `delta` (in `codec`) is not a file of exactly these tensors.
    """
    whole = check(base, tensors, "fp32")
    mine, theirs = Buffers(whole), Buffers(check(delta, tensors, codec))
    with replacing(out) as file, Writer(file, whole) as writer:
        for (_, model), (_, step) in zip(mine.blocks(base), theirs.blocks(delta), strict=True):
            writer.put(np.add(model, step, out=model))
    return writer.digest


def main(arguments: Sequence[str]) -> int:
    """The command line; exit code 1 when it failed."""
    try:
        base, delta, out, job_file = (Path(argument) for argument in arguments)
        job = parse(job_file.read_bytes())
        fact = {"fact": "applied", "digest": add_delta(base, delta, out, job.tensors, job.codec)}
    except PotluckError as error:
        fact = {"fact": "failed", "op": "apply", "sentence": error.sentence}
    except OSError as error:
        fact = {"fact": "failed", "op": "apply", "sentence": f"{error.filename}: {error.strerror}."}
    print(json.dumps(fact), flush=True)
    return 0 if fact["fact"] == "applied" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
