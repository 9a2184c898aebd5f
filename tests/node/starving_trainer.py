"""The real trainer on a PC with little memory: once all is imported, it may take so many more bytes, and no more.

How many is in the file `room` of its work folder. The system itself refuses more (RLIMIT_DATA), in the midst of a step.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from node.train.__main__ import arguments, main


def hold_to(more: int) -> None:
    """Of private memory, from what is there now."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData:"))
    limit = (int(line.split()[1]) << 10) + more
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


if __name__ == "__main__":
    import flwr.app
    import peft
    import tensorboard
    import transformers

    from node.train import bench, worker

    assert all((flwr.app, peft, tensorboard, transformers.LlamaForCausalLM, bench, worker))
    hold_to(int((arguments().rendezvous.parent / "room").read_text()))
    sys.exit(main())
