"""The real trainer, which keeps a checkpoint after every step and dies at one: see `dying`."""

from __future__ import annotations

import os
from pathlib import Path

from node.train import loop
from node.train.__main__ import _end, main
from node.train.checkpoint import Checkpoints
from tests.faults.kills.dying import Fate, wrap

if __name__ == "__main__":
    loop.CHECKPOINT_SECONDS = 0.0
    wrap(Fate(Path(os.environ["POTLUCK_HOME"])), Checkpoints, "_write", "checkpoint")
    _end(main())
